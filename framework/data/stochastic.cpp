#include "framework/data/stochastic.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace adder {
namespace {

// The logarithm of a Gamma(shape, 1) variate (Marsaglia and Tsang, 2000); below 1 by Gamma(shape + 1) U^(1 /
// shape), whose power would underflow outside the logarithm. Its random numbers start at `index`.
double log_gamma_variate(double shape, const Random& random, uint64_t index) {
  const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  const double boost = shape < 1 ? std::log(1 - random.uniform(index)) / shape : 0;
  for (;; index += 2) {
    const double x = random.normal(index + 1), u = 1 - random.uniform(index + 2);
    const double root = 1 + c * x, v = root * root * root;
    if (root > 0 && std::log(u) < x * x / 2 + d - d * v + d * std::log(v)) return std::log(d * v) + boost;
  }
}

void normalise(std::vector<double>& row) {
  const double sum = std::accumulate(row.begin(), row.end(), 0.0);
  for (double& p : row) p /= sum;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum;
}

}  // namespace

std::vector<double> dirichlet_row(int64_t entries, double concentration, const Random& random) {
  std::vector<double> row;
  for (int64_t i = 0; i < entries; ++i)
    row.push_back(log_gamma_variate(concentration, random, uint64_t(i) << 32));
  const double highest = *std::max_element(row.begin(), row.end());
  for (double& p : row) p = std::exp(p - highest);
  normalise(row);
  return row;
}

std::vector<double> cumulative(std::span<const double> row) {
  std::vector<double> sums(row.size());
  std::partial_sum(row.begin(), row.end(), sums.begin());
  return sums;
}

int64_t choose(std::span<const double> cumulative_row, double u) {
  const auto found = std::upper_bound(cumulative_row.begin(), cumulative_row.end(), u);
  return std::min(int64_t(found - cumulative_row.begin()), int64_t(cumulative_row.size()) - 1);
}

double entropy(std::span<const double> row) {
  double sum = 0;
  for (const double p : row)
    if (p > 0) sum -= p * std::log(p);
  return sum;
}

std::vector<double> stationary(std::vector<double> transitions, int64_t n) {
  const auto row = [&](int64_t i) { return transitions.data() + i * n; };
  for (int64_t last = n - 1; last > 0; --last) {  // the chain watched only while it is below `last`
    const double* leaving = row(last);
    const double total = std::accumulate(leaving, leaving + last, 0.0);
    for (int64_t i = 0; i < last; ++i) {
      const double through = row(i)[last] /= total;
      for (int64_t j = 0; j < last; ++j) row(i)[j] += through * leaving[j];
    }
  }
  std::vector<double> p(size_t(n), 1.0);
  for (int64_t j = 1; j < n; ++j) {
    p[size_t(j)] = 0;
    for (int64_t i = 0; i < j; ++i) p[size_t(j)] += p[size_t(i)] * row(i)[j];
  }
  normalise(p);
  return p;
}

std::vector<double> stationary_by_steps(
    int64_t n, const std::function<std::vector<double>(const std::vector<double>&)>& step) {
  constexpr int64_t kMost = 100'000;
  std::vector<double> p(size_t(n), 1.0 / double(n));
  int64_t rough = 0;  // steps until a step moved less than 1e-6
  for (int64_t i = 1; i <= kMost; ++i) {
    std::vector<double> next = step(p);
    normalise(next);
    const double moved = distance(next, p);
    p.swap(next);
    if (rough == 0 && moved < 1e-6) rough = i;
    if (moved >= 1e-12) continue;
    // As many steps again gain the next six digits, whatever a step's share is.
    for (int64_t more = i - rough + 1; more > 0; --more) p = step(p);
    normalise(p);
    return p;
  }
  return {};
}

}  // namespace adder
