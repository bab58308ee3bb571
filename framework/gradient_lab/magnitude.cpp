#include "framework/gradient_lab/magnitude.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace adder::lab {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

template <class T>
double norm_of(const T* x, int64_t n, int64_t exponent) {
  double largest = 0, squares = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (std::isnan(x[i])) return std::numeric_limits<double>::quiet_NaN();
    largest = std::max(largest, std::abs(double(x[i])));
  }
  if (largest == 0) return kNothing;
  if (std::isinf(largest)) return largest;
  for (int64_t i = 0; i < n; ++i) squares += (double(x[i]) / largest) * (double(x[i]) / largest);
  return std::log10(largest) + 0.5 * std::log10(squares) + double(exponent) * std::log10(2.0);
}

}  // namespace

double log10_norm(const float* x, int64_t n, int64_t exponent) { return norm_of(x, n, exponent); }
double log10_norm(const double* x, int64_t n, int64_t exponent) { return norm_of(x, n, exponent); }

double log10_mean(const std::vector<double>& logs) {
  double largest = kNothing, sum = 0;
  for (const double x : logs) largest = std::max(largest, x);
  if (!std::isfinite(largest)) return largest;
  for (const double x : logs) sum += std::pow(10, x - largest);
  return largest + std::log10(sum / double(logs.size()));
}

std::string shown_power(double log10) {
  if (std::isnan(log10)) return "nan";
  if (std::isinf(log10)) return log10 < 0 ? "0" : "inf";
  char text[40];
  if (log10 > -3 && log10 < 4) {
    std::snprintf(text, sizeof text, "%.2g", std::pow(10, log10));
    return text;
  }
  double exponent = std::floor(log10), digits = std::pow(10, log10 - exponent);
  if (digits >= 9.95) digits = 1, ++exponent;
  std::snprintf(text, sizeof text, "%.1fe%+03d", digits, int(exponent));
  return text;
}

std::string rounded(double x, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, x);
  return text;
}

}  // namespace adder::lab
