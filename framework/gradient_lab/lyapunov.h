// Lyapunov exponents: the rates, in nats a step, at which a recurrence stretches its directions in the long run. By QR
// (Benettin et al., 1980): an orthonormal basis is carried forward by the Jacobians and made orthonormal again every few
// steps; an exponent is the mean of log |R_ii|.
#pragma once
#include <vector>

#include "framework/gradient_lab/jacobians.h"
#include "framework/nn/decay.h"

namespace adder::lab {

struct LyapunovOptions {
  int64_t count = 0;      // of the largest; 0: all n
  int64_t every = 1;      // steps between two QRs; e^(every * (first - last exponent)) should stay below 1e6
  double burn_in = 0.1;   // share of the steps that are not counted, for the basis to turn into its place
  int64_t batches = 10;   // stretches of equal length, for the error of the means
  uint64_t seed = 1;      // of the first basis
};

struct Lyapunov {
  int64_t size = 0;                        // n
  std::vector<double> exponents;           // falling; as many as were asked for
  std::vector<double> errors;              // standard errors by batch means
  std::vector<std::vector<double>> batches;  // by batch: the finite-time exponents over batch_steps steps
  int64_t steps = 0, batch_steps = 0;      // counted
  double log_det;                          // mean of log |det J|; the sum of all exponents, NaN where these are not all
  double kaplan_yorke() const;  // dimension; NaN where more exponents would be needed
  double entropy() const;       // Kolmogorov-Sinai, nats a step: the sum of the positive ones (at most: Ruelle)
};

// An Error where the steps are too few for the batches.
Lyapunov lyapunov(const Jacobians& J, const LyapunovOptions& options = {});
// In closed form for a diagonal recurrence: the means of log |a_i|, row 0 of the decay. All of them.
Lyapunov diagonal_lyapunov(const Decay& decay, int64_t batches = 10);

}  // namespace adder::lab
