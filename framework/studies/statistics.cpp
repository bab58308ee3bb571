#include "framework/studies/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "framework/core/error.h"
#include "framework/core/random.h"
#include "framework/studies/distributions.h"

namespace adder::statistics {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void require(bool holds, const std::string& what) {
  if (!holds) throw Error("[statistics] " + what);
}

double standard_error(const std::vector<double>& x) { return deviation(x) / std::sqrt(double(x.size())); }

Interval percentiles(std::vector<double>& values, double confidence) {
  return {quantile(values, (1 - confidence) / 2), quantile(values, (1 + confidence) / 2)};
}

}  // namespace

double mean(const std::vector<double>& x) {
  require(!x.empty(), "the mean of no values is asked for");
  return std::accumulate(x.begin(), x.end(), 0.0) / double(x.size());
}

double deviation(const std::vector<double>& x) {
  if (x.size() < 2) return 0;
  const double m = mean(x);
  double sum = 0;
  for (const double v : x) sum += (v - m) * (v - m);
  return std::sqrt(sum / double(x.size() - 1));
}

double quantile(std::vector<double> x, double share) {
  require(!x.empty(), "a quantile of no values is asked for");
  std::sort(x.begin(), x.end());
  const double at = share * double(x.size() - 1);
  const size_t low = size_t(at), high = std::min(low + 1, x.size() - 1);
  if (x[low] == x[high] || at == double(low)) return x[low];  // values may be infinite
  return x[low] + (at - double(low)) * (x[high] - x[low]);
}
double median(std::vector<double> x) { return quantile(std::move(x), 0.5); }

Interval t_interval(const std::vector<double>& x, double confidence) {
  if (x.size() < 2) return {-kInfinity, kInfinity};
  const double half = t_quantile((1 + confidence) / 2, double(x.size() - 1)) * standard_error(x), m = mean(x);
  return {m - half, m + half};
}

double t_test(const std::vector<double>& x, double value) {
  if (x.size() < 2) return 1;
  const double error = standard_error(x), difference = mean(x) - value;
  if (error == 0) return difference == 0 ? 1 : 0;
  return 2 * t_cdf(-std::abs(difference) / error, double(x.size() - 1));
}

double t_test_below(const std::vector<double>& x, double bound) {
  if (x.size() < 2) return 1;
  const double error = standard_error(x), difference = mean(x) - bound;
  if (error == 0) return difference < 0 ? 0 : 1;
  return t_cdf(difference / error, double(x.size() - 1));
}

double sign_flip_test(const std::vector<double>& d, uint64_t seed) {
  constexpr size_t kExact = 20;
  constexpr int64_t kDraws = 100'000;
  require(!d.empty(), "the signs of no values are asked for");
  const double seen = std::abs(std::accumulate(d.begin(), d.end(), 0.0));
  double size = 0;
  for (const double v : d) size += std::abs(v);
  const double as_far = seen - 1e-12 * size;  // sums of one multiset of signs may differ by rounding
  const bool exact = d.size() <= kExact;
  const int64_t total = exact ? int64_t{1} << d.size() : kDraws;
  const Random random(seed, "sign flips");
  int64_t far = 0;
  for (int64_t draw = 0; draw < total; ++draw) {
    double sum = 0;
    for (size_t i = 0; i < d.size(); ++i) {
      const bool flip = exact ? (draw >> i) & 1 : random.bits64(uint64_t(draw) * d.size() + i) & 1;
      sum += flip ? -d[i] : d[i];
    }
    far += std::abs(sum) >= as_far;
  }
  return exact ? double(far) / double(total) : double(far + 1) / double(total + 1);
}

double non_inferiority_test(const std::vector<double>& d, double margin) { return t_test_below(d, margin); }

double equivalence_test(const std::vector<double>& d, double margin) {
  require(margin > 0, "an equivalence margin is " + std::to_string(margin) + ", expected above 0");
  std::vector<double> mirrored = d;
  for (double& v : mirrored) v = -v;
  return std::max(t_test_below(d, margin), t_test_below(mirrored, margin));
}

Interval median_interval(std::vector<double> x, double confidence) {
  std::sort(x.begin(), x.end());
  const size_t n = x.size();
  double term = std::ldexp(1.0, -int(n)), below = term;  // P(fewer than k values below the median), k from 1
  size_t k = 0;
  while (2 * (k + 1) <= n && 2 * below <= 1 - confidence) {
    ++k;
    term *= double(n - k + 1) / double(k), below += term;
  }
  if (k == 0) return {-kInfinity, kInfinity};
  return {x[k - 1], x[n - k]};
}

std::vector<double> holm(const std::vector<double>& p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double least = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    least = std::max(least, std::min(1.0, p[order[k]] * double(p.size() - k)));
    adjusted[order[k]] = least;
  }
  return adjusted;
}

Interval wilson(int64_t k, int64_t n, double confidence) {
  require(n > 0 && k >= 0 && k <= n, std::to_string(k) + " successes of " + std::to_string(n) + " are no share");
  const double z = normal_quantile((1 + confidence) / 2), share = double(k) / double(n), z2 = z * z / double(n);
  const double centre = (share + z2 / 2) / (1 + z2);
  const double half = z / (1 + z2) * std::sqrt(share * (1 - share) / double(n) + z2 / (4 * double(n)));
  return {k == 0 ? 0 : centre - half, k == n ? 1 : centre + half};
}

Interval block_bootstrap(const std::vector<double>& x, int64_t block, double confidence, int64_t draws, uint64_t seed) {
  const int64_t n = int64_t(x.size());
  require(n > 0 && block > 0, "a block bootstrap of " + std::to_string(n) + " values in blocks of " + std::to_string(block));
  block = std::min(block, n);
  std::vector<double> until(size_t(n) + 1, 0.0);  // sums from the start
  for (int64_t i = 0; i < n; ++i) until[size_t(i + 1)] = until[size_t(i)] + x[size_t(i)];
  const Random random(seed, "block bootstrap");
  const int64_t blocks = (n + block - 1) / block;
  std::vector<double> means;
  for (int64_t draw = 0; draw < draws; ++draw) {
    double sum = 0;
    for (int64_t k = 0; k < blocks; ++k) {
      const int64_t start = int64_t(random.below(uint64_t(draw * blocks + k), uint64_t(n - block + 1)));
      sum += until[size_t(start + block)] - until[size_t(start)];
    }
    means.push_back(sum / double(blocks * block));
  }
  return percentiles(means, confidence);
}

Interval ratio_bootstrap(const std::vector<double>& a, const std::vector<double>& b, double confidence, int64_t draws,
                         uint64_t seed) {
  require(a.size() == b.size() && !a.empty(),
          "a ratio of " + std::to_string(a.size()) + " and " + std::to_string(b.size()) + " timings, expected pairs");
  const Random random(seed, "ratio bootstrap");
  std::vector<double> ratios, x(a.size()), y(a.size());
  for (int64_t draw = 0; draw < draws; ++draw) {
    for (size_t i = 0; i < a.size(); ++i) {
      const size_t k = size_t(random.below(uint64_t(draw) * a.size() + i, a.size()));
      x[i] = a[k], y[i] = b[k];
    }
    ratios.push_back(median(x) / median(y));
  }
  return percentiles(ratios, confidence);
}

double t_test_power(double effect, int64_t n, double alpha) {
  require(n >= 2, "the power of a test on " + std::to_string(n) + " pairs is asked for, expected at least 2");
  const double freedom = double(n - 1), shift = std::abs(effect) * std::sqrt(double(n));
  const double critical = t_quantile(1 - alpha / 2, freedom);
  return 1 - noncentral_t_cdf(critical, freedom, shift) + noncentral_t_cdf(-critical, freedom, shift);
}

double detectable_effect(int64_t n, double alpha, double power) {
  if (n < 2) return kInfinity;
  double low = 0, high = 1;
  while (high < 1e6 && t_test_power(high, n, alpha) < power) high *= 2;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (t_test_power(middle, n, alpha) < power ? low : high) = middle;
  }
  return high;
}

int64_t seeds_for_sign_flip(double alpha, int64_t tests) {
  require(alpha > 0 && tests > 0, "a level above 0 and at least one test are expected");
  int64_t n = 1;
  while (std::ldexp(1.0, int(1 - n)) > alpha / double(tests)) ++n;
  return n;
}

int64_t seeds_to_decide(const std::vector<double>& d, double bound, double confidence) {
  constexpr int64_t kMost = 10'000;
  const double distance = std::abs(mean(d) - bound), spread = deviation(d);
  const auto decides = [&](int64_t n) { return t_quantile((1 + confidence) / 2, double(n - 1)) * spread / std::sqrt(double(n)) < distance; };
  if (!decides(kMost)) return 0;
  int64_t low = 2, high = kMost;  // an interval only narrows with n
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (decides(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

}  // namespace adder::statistics
