#include "framework/training/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "framework/core/error.h"

namespace adder {
namespace {

// The weight of (peak - min), by r, the part of the decay that is over, in [0, 1).
double cosine(double r) { return 0.5 * (1 + std::cos(std::numbers::pi * r)); }
double linear(double r) { return 1 - r; }

double after_warmup(const ScheduleOptions& s, int64_t start, int64_t step, double (*shape)(double)) {
  if (step < start) return 1;
  if (step >= s.decay_steps) return 0;
  return shape(double(step - start) / double(s.decay_steps - start));
}

}  // namespace

const std::vector<std::string>& schedule_names() {
  static const std::vector<std::string> names = {"constant", "cosine", "linear", "wsd"};
  return names;
}

double learning_rate(const ScheduleOptions& s, double peak, int64_t step) {
  const bool known = std::count(schedule_names().begin(), schedule_names().end(), s.name) > 0;
  if (!known)
    throw UsageError("[schedule] no schedule is called \"" + s.name +
                     "\", expected constant, cosine, linear or wsd");
  if (step < s.warmup_steps) return peak * double(step + 1) / double(s.warmup_steps + 1);
  if (s.name == "constant") return peak;
  const double low = s.min_learning_rate;
  if (s.name == "cosine") return low + after_warmup(s, s.warmup_steps, step, cosine) * (peak - low);
  int64_t start = s.warmup_steps;
  if (s.name == "wsd")
    start = std::max(start, s.decay_steps - int64_t(std::llround(s.decay_fraction * double(s.decay_steps))));
  return low + after_warmup(s, start, step, linear) * (peak - low);
}

}  // namespace adder
