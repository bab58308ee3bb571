// The curse of memory (Zucchet & Orvieto, 2024): without any gradient that vanishes or explodes, a recurrence
// h_t = lambda h_{t-1} + x_t feels its parameter the more, the longer it remembers. For x of variance 1 and autocorrelation
// R_D = rho^D, in the stationary state,
//   E h^2           = (1 + 2 S) / (1 - lambda^2),                                          S = sum_{D>=1} lambda^D R_D
//   E (dh/dlambda)^2 = (1 + lambda^2) / (1 - lambda^2)^3 (1 + 2 S) + 2 / (1 - lambda^2)^2 sum_{D>=1} D lambda^D R_D
// which grows as (1 - lambda)^-3. The exponential parametrisation lambda = exp(-exp(nu)) takes two powers from that, for
// d lambda / d nu = lambda log lambda goes to 0; the normalisation sqrt(1 - lambda^2) h takes the third.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace adder::lab {

enum class Parametrisation { raw, sigmoid, exponential, normalised };  // the last: exponential, and sqrt(1 - lambda^2) h
inline constexpr Parametrisation kParametrisations[] = {Parametrisation::raw, Parametrisation::sigmoid,
                                                        Parametrisation::exponential, Parametrisation::normalised};
std::string name(Parametrisation p);  // "lambda", …

// E (d output / d parameter)^2 by the formula; 0 < lambda < 1, -1 < rho < 1.
double sensitivity_formula(Parametrisation p, double lambda, double rho);

struct Sensitivity {
  double mean, error;  // E (d output / d parameter)^2, and the standard error of that mean
};
// The same, measured: `samples` independent sequences go through the LRU's own op (ops::complex_scan) and back, the
// gradient of each one's last output is squared. By parametrisation, in the order above.
std::vector<Sensitivity> measure_sensitivity(double lambda, double rho, int64_t samples, uint64_t seed);

}  // namespace adder::lab
