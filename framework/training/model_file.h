// From a checkpoint to a model that runs: what eval, generate, trace, inspect and a resumed run have in common.
#pragma once
#include <memory>
#include <string>

#include "framework/config/config.h"
#include "framework/data/tokenizer.h"
#include "framework/training/checkpoint.h"

namespace adder {

struct LoadedModel {
  std::string path;                // the checkpoint's file
  Config config;                   // as it was resolved when the run began
  TokenizerPtr tokenizer;          // null where the run had none (data.batches, imported weights)
  std::unique_ptr<Model> model;
  Checkpoint checkpoint;           // the rest of what was stored; its model tensors are the model's own
};

// Reads a verified checkpoint and builds its model. `dtype`: what to compute in; the stored values are converted.
// UnreadableError where a parameter is missing, left over, or of another shape.
LoadedModel load_model(const std::string& checkpoint_path, const ModelFactory& factory, DType dtype = DType::f32,
                       ReadParts parts = ReadParts::model);

// Copies stored tensors into the parameters, by name. Every parameter must be there, and nothing else.
void fill_parameters(const ParameterList& parameters, const std::vector<NamedTensor>& stored, const std::string& path);

// The parameters as a checkpoint stores them.
std::vector<NamedTensor> stored_parameters(const ParameterList& parameters);

}  // namespace adder
