#include "framework/gradient_lab/spread.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace adder::lab {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// P(|T| <= t), a finite sum for whole degrees of freedom (Abramowitz & Stegun, 26.7.3 and 26.7.4).
double within(double t, int64_t freedom) {
  const double angle = std::atan(t / std::sqrt(double(freedom))), c = std::cos(angle), s = std::sin(angle);
  const bool odd = freedom % 2 != 0;
  double term = odd ? c : 1, sum = freedom == 1 ? 0 : term;
  for (int64_t k = odd ? 3 : 2; k <= freedom - 2; k += 2) {
    term *= c * c * double(k - 1) / double(k);
    sum += term;
  }
  return odd ? 2 / std::numbers::pi * (angle + s * sum) : s * sum;
}

double mean_of(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return sum / double(x.size());
}

}  // namespace

double t95(int64_t freedom) {
  if (freedom < 1) return kNaN;
  double low = 0, high = 20;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (within(middle, freedom) < 0.95 ? low : high) = middle;
  }
  return high;
}

double standard_error(const std::vector<double>& x) {
  if (x.size() < 2) return kNaN;
  const double mean = mean_of(x), n = double(x.size());
  double squares = 0;
  for (const double v : x) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / (n - 1) / n);
}

MeanInterval mean_interval(const std::vector<double>& x) {
  if (x.empty()) return {kNaN, kNaN, kNaN};
  const double mean = mean_of(x), margin = t95(int64_t(x.size()) - 1) * standard_error(x);
  return {mean, mean - margin, mean + margin};
}

}  // namespace adder::lab
