#include "framework/studies/distributions.h"

#include <cmath>
#include <numbers>
#include <string>

#include "framework/core/error.h"

namespace adder::statistics {
namespace {

void require_probability(double p) {
  if (!(p > 0 && p < 1)) throw Error("[statistics] a probability is " + std::to_string(p) + ", expected one between 0 and 1");
}

// Where a rising function meets `target`, by bisection to the last bit.
template <class F>
double solve(F f, double target, double low, double high) {
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    if (middle == low || middle == high) break;
    (f(middle) < target ? low : high) = middle;
  }
  return (low + high) / 2;
}

// The continued fraction of the incomplete beta function (Lentz's method; Abramowitz & Stegun 26.5.8).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300, kEnough = 1e-16;
  const auto safe = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1, d = 1 / safe(1 - (a + b) * x / (a + 1)), h = d;
  for (int m = 1; m < 10000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / safe(1 + even * d), c = safe(1 + even / c), h *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / safe(1 + odd * d), c = safe(1 + odd / c);
    const double change = d * c;
    h *= change;
    if (std::abs(change - 1) < kEnough) break;
  }
  return h;
}

}  // namespace

double normal_cdf(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

double normal_quantile(double p) {
  require_probability(p);
  return solve(normal_cdf, p, -40, 40);
}

double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double t_cdf(double t, double freedom) {
  const double tail = 0.5 * incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t));
  return t > 0 ? 1 - tail : tail;
}

double t_quantile(double p, double freedom) {
  require_probability(p);
  if (p < 0.5) return -t_quantile(1 - p, freedom);
  double high = 1;
  while (t_cdf(high, freedom) < p && high < 1e300) high *= 2;
  return solve([&](double t) { return t_cdf(t, freedom); }, p, 0, high);
}

// The mean of Phi(t s - shift) over s = sqrt(chi^2 / freedom), by Simpson's rule over s.
double noncentral_t_cdf(double t, double freedom, double shift) {
  constexpr int kSteps = 4000;
  const double log_scale = std::log(2.0) + 0.5 * freedom * std::log(freedom / 2) - std::lgamma(freedom / 2);
  const auto density = [&](double s) {
    return s <= 0 ? 0 : std::exp(log_scale + (freedom - 1) * std::log(s) - 0.5 * freedom * s * s);
  };
  const double end = 1 + 12 / std::sqrt(2 * freedom) + 4 / freedom, step = end / kSteps;
  double sum = 0, weight_sum = 0;
  for (int i = 0; i <= kSteps; ++i) {
    const double s = i * step, weight = density(s) * (i == 0 || i == kSteps ? 1 : i % 2 ? 4 : 2);
    sum += weight * normal_cdf(t * s - shift), weight_sum += weight;
  }
  return sum / weight_sum;
}

}  // namespace adder::statistics
