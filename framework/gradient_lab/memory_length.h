// How long a memory is, from a lag profile: the straight line through log P(k), P(k) ~ e^(-k / xi), and the lag from which
// on less than a tenth is left.
#pragma once
#include "framework/core/tensor.h"

namespace adder::lab {

struct MemoryLength {
  // Decades that log10 P loses a token, the mean of the probes' own least-squares lines over lags 1, 2, …, with the 95 % t
  // interval over the probes (NaN for one). Below 0: it grows.
  double rate, rate_low, rate_high;
  double misfit;  // root mean square distance of the probes' profiles from their lines, in decades: large where the
                  // memory is no exponential
  int64_t tenth;  // the first lag from which on the mean profile stays below a tenth of its value at lag 1; -1: none
  int64_t reach;  // the last lag at which it is not 0

  // Tokens; infinite where the rate is not above 0.
  double xi() const { return length(rate); }
  double xi_low() const { return length(rate_high); }
  double xi_high() const { return length(rate_low); }
  static double length(double rate);
};

// profiles float64 (probes, lags + 1): log10 of a norm at lags 0, 1, …, lags; at least 2 lags.
MemoryLength fit_memory(const Tensor& profiles);

// log10 of the mean over the probes, lag by lag.
std::vector<double> mean_profile(const Tensor& profiles);

}  // namespace adder::lab
