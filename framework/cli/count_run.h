// adder train of a model that counts: what is said around training/counting.h.
#pragma once
#include <string>

#include "framework/cli/training_run.h"

namespace adder {

struct CountOptions {
  bool resume = false, quiet = false, json = false;
  std::string resume_command;  // what to type to go on
};

// Counts, evaluates and saves in the run's folder; the exit code.
int count_run(TrainingRun& run, const RunFolder& folder, const CountOptions& options);

}  // namespace adder
