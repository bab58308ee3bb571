// RUN|CHECKPOINT and --best: how commands name a trained model, and open it.
#pragma once
#include <string>

#include "framework/config/json.h"
#include "framework/training/model_file.h"

namespace CLI {
class App;
}

namespace adder {

struct ModelSource {
  std::string path;   // a run folder (its last good checkpoint) or a checkpoint file
  bool best = false;  // of a run folder: the one with the lowest evaluation loss
};

void declare_source(CLI::App& app, ModelSource& source);

// The model in the precision that it was trained in; damaged checkpoints on the way are named on stderr.
LoadedModel open_model(const ModelSource& source, const ModelFactory& factory);
LoadedModel open_model(const ModelSource& source, const ModelFactory& factory, DType dtype);

// The same in float32, its products with weights of bfloat16 operands where a run of that precision has them.
LoadedModel open_model_in_bf16(const ModelSource& source, const ModelFactory& factory);

// "float32" or "float64", else a UsageError that names the option.
DType precision_named(const std::string& name);

// The first keys of every JSON result about a model.
JsonValue describe(const LoadedModel& loaded);
// "runs/x/checkpoints/step-00002000.h5 (step 2,000)"
std::string shown_checkpoint(const LoadedModel& loaded);

}  // namespace adder
