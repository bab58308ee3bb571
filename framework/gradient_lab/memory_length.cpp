#include "framework/gradient_lab/memory_length.h"

#include <cmath>
#include <limits>

#include "framework/gradient_lab/magnitude.h"
#include "framework/gradient_lab/spread.h"

namespace adder::lab {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Line {
  double slope = kNaN, squares = 0;
  int64_t points = 0;
};

// Least squares through y at lags 1, 2, …, where it is not 0.
Line line_through(const double* y, int64_t lags) {
  double n = 0, sum_x = 0, sum_y = 0, xx = 0, xy = 0;
  for (int64_t k = 1; k <= lags; ++k)
    if (std::isfinite(y[k])) ++n, sum_x += double(k), sum_y += y[k];
  const double mean_x = sum_x / n, mean_y = sum_y / n;
  for (int64_t k = 1; k <= lags; ++k)
    if (std::isfinite(y[k])) {
      xx += (double(k) - mean_x) * (double(k) - mean_x);
      xy += (double(k) - mean_x) * (y[k] - mean_y);
    }
  Line line;
  if (n < 2) return line;
  line.slope = xy / xx, line.points = int64_t(n);
  for (int64_t k = 1; k <= lags; ++k)
    if (std::isfinite(y[k])) line.squares += std::pow(y[k] - mean_y - line.slope * (double(k) - mean_x), 2);
  return line;
}

}  // namespace

double MemoryLength::length(double rate) {
  if (std::isnan(rate)) return kNaN;
  return rate > 0 ? 1 / (rate * std::log(10.0)) : std::numeric_limits<double>::infinity();
}

std::vector<double> mean_profile(const Tensor& profiles) {
  const int64_t probes = profiles.dim(0), columns = profiles.dim(1);
  std::vector<double> mean, column(static_cast<size_t>(probes));
  for (int64_t k = 0; k < columns; ++k) {
    for (int64_t p = 0; p < probes; ++p) column[size_t(p)] = profiles.data<double>()[p * columns + k];
    mean.push_back(log10_mean(column));
  }
  return mean;
}

MemoryLength fit_memory(const Tensor& profiles) {
  const int64_t probes = profiles.dim(0), lags = profiles.dim(1) - 1;
  std::vector<double> rates;
  double squares = 0, points = 0;
  for (int64_t p = 0; p < probes; ++p) {
    const Line line = line_through(profiles.data<double>() + p * (lags + 1), lags);
    if (line.points == 0) continue;
    rates.push_back(-line.slope);
    squares += line.squares, points += double(line.points);
  }
  const MeanInterval rate = mean_interval(rates);
  MemoryLength m{rate.mean, rate.low, rate.high, points > 0 ? std::sqrt(squares / points) : kNaN, -1, 0};
  const std::vector<double> mean = mean_profile(profiles);
  const double bound = mean[1] - 1;
  m.tenth = lags + 1;
  while (m.tenth > 1 && mean[size_t(m.tenth - 1)] < bound) --m.tenth;
  if (m.tenth > lags) m.tenth = -1;
  for (int64_t k = 0; k <= lags; ++k)
    if (mean[size_t(k)] > -std::numeric_limits<double>::infinity()) m.reach = k;
  return m;
}

}  // namespace adder::lab
