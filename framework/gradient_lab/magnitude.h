// Sizes that no float holds: 0.5^1000 is log10 = -301.03. All of them are base-10 logarithms; that of 0 is minus infinity.
#pragma once
#include <cstdint>
#include <vector>

#include "framework/core/tensor.h"

namespace adder::lab {

// log10 of the Euclidean norm of x[0], …, x[n-1], times 2^exponent; no square under- or overflows.
double log10_norm(const float* x, int64_t n, int64_t exponent = 0);
double log10_norm(const double* x, int64_t n, int64_t exponent = 0);

// log10 of the arithmetic mean of numbers given by their logarithms. Minus infinity for none.
double log10_mean(const std::vector<double>& logs);

// "0.012", "9.3e-302", "0": the number whose logarithm it is, two significant digits.
std::string shown_power(double log10);
// A number in so many significant digits: "0.0123", "1.2e-07".
std::string rounded(double x, int digits = 3);

}  // namespace adder::lab
