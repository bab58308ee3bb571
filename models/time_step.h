// How the time steps of state-space models start.
#pragma once
#include "framework/config/fields.h"
#include "framework/nn/module.h"

namespace adder {

// Log-uniform between dt_min and dt_max, no less than dt_init_floor.
struct TimeStepOptions {
  double dt_min = 1e-3, dt_max = 1e-1, dt_init_floor = 1e-4;
  void fields(Fields& f);
  // UsageError that begins with [op] where dt_min exceeds dt_max.
  void check(const char* op) const;
  double draw(const Random& random, int64_t i) const;
};

namespace init {
// log(dt); the steps of `group` neighbours are the same.
Initializer log_time_step(const TimeStepOptions& options, int64_t group = 1);
// The bias b for which softplus(b) = dt: b = dt + log(1 - e^-dt).
Initializer softplus_time_step(const TimeStepOptions& options);
// A = -1, -2, …, -n in every row (S4D-Real): log(1), …, log(n).
Initializer log_one_to(int64_t n);
}  // namespace init

}  // namespace adder
