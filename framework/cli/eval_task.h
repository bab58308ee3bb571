// adder eval of a model that was trained on a task.
#pragma once
#include <vector>

#include "framework/training/model_file.h"

namespace adder {

struct EvalTaskOptions {
  std::vector<int64_t> lengths;  // none: those of the config
  int64_t examples = 0;          // of each; 0: as many as the config says
  bool bf16_cache = false;       // Pass::bf16_cache
  bool json = false;
};

void eval_task(LoadedModel& loaded, const EvalTaskOptions& options);

}  // namespace adder
