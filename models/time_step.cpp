#include "models/time_step.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"

namespace adder {

void TimeStepOptions::fields(Fields& f) {
  f("dt_min", dt_min, "least time step at the start", above(0));
  f("dt_max", dt_max, "largest time step at the start", above(0));
  f("dt_init_floor", dt_init_floor, "time steps start at no less than this", above(0));
}

void TimeStepOptions::check(const char* op) const {
  if (dt_min > dt_max)
    throw UsageError("[" + std::string(op) + "] dt_min is " + std::to_string(dt_min) +
                     ", expected at most dt_max = " + std::to_string(dt_max));
}

double TimeStepOptions::draw(const Random& random, int64_t i) const {
  const double low = std::log(dt_min), high = std::log(dt_max);
  return std::max(dt_init_floor, std::exp(low + (high - low) * random.uniform(uint64_t(i))));
}

Initializer init::log_time_step(const TimeStepOptions& o, int64_t group) {
  return [=](const Random& random, int64_t i) { return std::log(o.draw(random, i / group)); };
}

Initializer init::softplus_time_step(const TimeStepOptions& o) {
  return [=](const Random& random, int64_t i) {
    const double dt = o.draw(random, i);
    return dt + std::log(-std::expm1(-dt));
  };
}

Initializer init::log_one_to(int64_t n) {
  return [=](const Random&, int64_t i) { return std::log(double(1 + i % n)); };
}

}  // namespace adder
