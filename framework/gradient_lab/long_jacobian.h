// T = d h_t / d h_{t-k} = J_t … J_{t-k+1}, the product of Jacobians over k steps: how much it stretches, and how many
// directions survive. Sizes are base-10 logarithms, rescaled on the way.
#pragma once
#include <vector>

#include "framework/gradient_lab/jacobians.h"
#include "framework/nn/model.h"

namespace adder::lab {

struct JacobianNorms {
  int64_t lag;
  std::vector<double> sigma;     // log10 of the largest singular values, falling
  double frobenius;              // log10
  double frobenius_error = 0;    // relative standard deviation of the norm; 0: exact
  double stable_rank() const;    // |T|_F^2 / sigma_max^2, at most the rank
};

// Over the last `lags` steps (rising, each at least 1, at most J.steps()).
//
// Exact: n adjoints at once are carried back through all the steps; n x n numbers and as many rows a step.
std::vector<JacobianNorms> exact_norms(const Jacobians& J, const std::vector<int64_t>& lags, int64_t top);
// Estimated, for large n: the singular values by Golub-Kahan bidiagonalisation (a sweep forward and one back an
// iteration, all bases kept orthogonal, until the largest `top` move by less than 1e-6), the Frobenius norm from
// E |T^T v|^2 over `probes` normal v.
std::vector<JacobianNorms> estimated_norms(const Jacobians& J, const std::vector<int64_t>& lags, int64_t top,
                                           int64_t probes, uint64_t seed);
// In closed form where T is diagonal: log |T_ii| is the sum of log |a_i| over the steps. Row 0 of the decay.
std::vector<JacobianNorms> diagonal_norms(const Decay& decay, const std::vector<int64_t>& lags, int64_t top);

// log10 |T_ii| over the last `lag` steps of row 0, for each of the decay's n numbers.
std::vector<double> diagonal_product(const Decay& decay, int64_t lag);
// The share of them above `retention` (0.1, say).
double share_above(const std::vector<double>& log10_products, double retention);

// What the layers' decays are along a text, int32 (1, length); empty where the model tells none.
Decays decays_along(Model& model, const Tensor& ids);

}  // namespace adder::lab
