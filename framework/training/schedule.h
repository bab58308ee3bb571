// The learning rate as a function of the step alone: nanoGPT's formulas, and warmup-stable-decay.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace adder {

struct ScheduleOptions {
  std::string name = "constant";  // one of schedule_names()
  int64_t warmup_steps = 0;
  int64_t decay_steps = 0;  // the step from which on the rate is the least one
  double min_learning_rate = 0;
  double decay_fraction = 0.1;  // wsd: the last part of decay_steps, in which the rate falls
};

const std::vector<std::string>& schedule_names();  // constant, cosine, linear, wsd

// The rate of update `step`, counted from 0. Before warmup_steps, for every schedule:
//   peak (step + 1) / (warmup_steps + 1)
// after it, with r = (step - warmup_steps) / (decay_steps - warmup_steps):
//   constant  peak, for ever
//   cosine    min + (1 + cos(pi r)) / 2 (peak - min)
//   linear    min + (1 - r) (peak - min)
//   wsd       peak; linear to min over the last decay_fraction of decay_steps
// and min from decay_steps on. UsageError where no schedule has that name.
double learning_rate(const ScheduleOptions& schedule, double peak, int64_t step);

}  // namespace adder
