#include "framework/report/scale.h"

#include <algorithm>
#include <cmath>

#include "framework/report/svg.h"

namespace adder::report {
namespace {

bool placeable(const Axis& axis, double x) { return std::isfinite(x) && (!axis.log || x > 0); }

// 1, 2 or 5 times a power of ten: about `count` steps from low to high
double step_of(double low, double high, int count) {
  const double raw = (high - low) / count, power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * power * (1 + 1e-9)) return factor * power;
  return 10 * power;
}

std::string power_label(int exponent) {
  if (exponent >= -3 && exponent <= 4) return shown(std::pow(10.0, exponent), 6);
  return "1e" + std::to_string(exponent);
}

}  // namespace

void Extent::add(double x) {
  if (!placeable(axis_, x)) return;
  low_ = any_ ? std::min(low_, x) : x;
  high_ = any_ ? std::max(high_, x) : x;
  any_ = true;
}

std::pair<double, double> Extent::range() const {
  if (axis_.range) return *axis_.range;
  if (!any_) return axis_.log ? std::pair(1.0, 10.0) : std::pair(0.0, 1.0);
  if (axis_.log) {
    const double margin = low_ < high_ ? std::pow(high_ / low_, 0.04) : 2;
    return {low_ / margin, high_ * margin};
  }
  const double margin = low_ < high_ ? 0.05 * (high_ - low_) : std::max(1e-3, 0.05 * std::abs(low_));
  return {low_ - margin, high_ + margin};
}

std::pair<double, double> Extent::tight_range() const {
  return axis_.range || !any_ || low_ == high_ ? range() : std::pair(low_, high_);
}

Scale::Scale(const Axis& axis, std::pair<double, double> range, double from_pixel, double to_pixel)
    : log_(axis.log), low_(transformed(range.first)), high_(transformed(range.second)), from_(from_pixel), to_(to_pixel) {
  if (!(low_ < high_)) high_ = low_ + 1;
}

double Scale::transformed(double x) const { return log_ ? std::log10(x) : x; }

bool Scale::has_place_for(double x) const {
  if (!std::isfinite(x) || (log_ && x <= 0)) return false;
  const double slack = 1e-9 * (high_ - low_), at = transformed(x);
  return at >= low_ - slack && at <= high_ + slack;
}

double Scale::operator()(double x) const {
  const double at = std::clamp(transformed(x), low_, high_);
  return from_ + (at - low_) / (high_ - low_) * (to_ - from_);
}

std::vector<Tick> Scale::ticks() const {
  std::vector<Tick> list;
  if (!log_) {
    const double step = step_of(low_, high_, 5);
    for (double k = std::ceil(low_ / step - 1e-9); k * step <= high_ + 1e-9 * step; ++k)
      list.push_back({k * step, shown(k == 0 ? 0.0 : k * step, 6)});
    return list;
  }
  const int first = int(std::floor(low_)), last = int(std::ceil(high_));
  const int every = std::max(1, (last - first + 5) / 6);  // decades with a label
  const bool few = high_ - low_ < 1.2;                    // then 2 and 5 have one, too
  for (int e = first; e <= last; ++e)
    for (const int digit : {1, 2, 5}) {
      const double value = digit * std::pow(10.0, e), at = std::log10(value);
      if (at < low_ - 1e-9 || at > high_ + 1e-9) continue;
      if (digit == 1) list.push_back({value, (e - first) % every == 0 || few ? power_label(e) : ""});
      else if (few) list.push_back({value, shown(value, 6)});
    }
  return list;
}

}  // namespace adder::report
