// Everything that a run needs before its first step, checked, and nothing of it written yet:
// config -> weights to start from -> data -> model.
#pragma once
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "framework/config/config.h"
#include "framework/data/batches.h"
#include "framework/data/dataset.h"
#include "framework/data/generated.h"
#include "framework/training/run_folder.h"
#include "framework/training/trainer.h"

namespace adder {

// What the source of a generated text loses itself, in nats a token; without a source nothing is known.
struct Floor {
  double mean = std::numeric_limits<double>::quiet_NaN();  // its entropy rate, or its loss on a long stretch
  std::string meaning;                                     // which of these, in words
  std::vector<double> validation;                          // its loss of each validation token
};

struct TrainingRun {
  // Complete: with the model of initialize.from, the sizes of data.batches, the horizon of a resumed run.
  Config config;
  TokenizerPtr tokenizer;             // null where data.batches and imported weights need none, and with data.task
  TokenSpan train, validation, test;  // train is empty with data.batches and data.task
  TextSourcePtr source;               // that drew these tokens; null: it isn't known
  Floor floor;
  std::unique_ptr<BatchSource> batches;
  std::unique_ptr<Model> model;
  RunIdentity identity;
  bool evaluates() const { return validation.size() >= 2 || config.data.task.given(); }
};

// `resume`: the run goes on from the newest good checkpoint in `folder`, if there is one; its tokenizer and
// schedule horizon hold, and a UsageError lists the keys that differ where they must not.
TrainingRun prepare_run(Config config, const RunFolder& folder, bool resume, const ModelFactory& factory);

// Errors before anything is written: a folder that holds a run (without `resume`), or one that can't be made.
void check_folder(const RunFolder& folder, bool resume);

}  // namespace adder
