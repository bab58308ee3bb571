// A training run before it runs. A step is rehearsed (kernels/rehearsal.h) at the config's own sizes: the model, the
// optimizer and the tape are the real ones and only the arithmetic is left out, so what is allocated and computed is
// counted, not estimated. Time comes from a few real steps, of fewer tokens where the config's are many: each op's time
// there, times how much longer its limit is at full size.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "framework/config/config.h"
#include "framework/measure/machine_peak.h"

namespace adder {

struct MemoryPlan {  // bytes
  int64_t weights = 0, gradients = 0, optimizer = 0;
  int64_t activations = 0;  // what forward leaves for backward, per micro-batch
  int64_t step_peak = 0;    // tensors alive at the worst moment of a step: all of these and what is temporary
  int64_t peak = 0;         // the same of a run's steps, where logging.health looks into some: those leave their inputs as they are
  int64_t held = 0;         // what the process grows by: the peak, and buffers of other sizes kept for the next step
};

struct Plan {
  int64_t parameters = 0;
  std::vector<std::pair<std::string, int64_t>> modules;  // "blocks.*.mixer": elements, of all blocks together
  int64_t tokens = 0;                                     // a step
  Cost step;                                              // seconds: predicted, 0 where no step was run
  MemoryPlan memory;
  double run_seconds = 0;                                 // all steps, without evaluations
  int64_t batch_size = 0, context_length = 0;             // of the real steps; 0: none was run
};

// Memory and arithmetic alone: milliseconds. An Error where the model can't take such a batch.
Plan rehearse(const Config& config, const ModelFactory& factory, int64_t vocabulary);

// Sets step.seconds and run_seconds. `peak` tells how a limit scales.
void predict_time(Plan& plan, const Config& config, const ModelFactory& factory, int64_t vocabulary,
                  const MachinePeak& peak);

}  // namespace adder
