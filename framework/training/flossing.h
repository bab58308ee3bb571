// Gradient flossing (Engelken, "Gradient Flossing: Improving Gradient Descent through Dynamic Control of Jacobians", 2023):
// to the loss is added
//   weight / B sum_b sum_blocks sum_{i<=k} lambda_i^2,   lambda_i = 1/T sum_{t=1..T} log |R_t[i,i]|,   Q_t R_t = J_t Q_{t-1}
// over the first B sequences of a batch and their first T tokens, lambda being the finite-time Lyapunov exponents of a
// block's recurrent state, in nats a token. Q_0 is a random orthonormal basis, a function of (seed, step, block) alone.
// Its gradient goes back through each QR and through the Jacobians, to the weights in them and to the states they are
// taken at. Exponents at zero: differences neither vanish nor explode over T tokens.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "framework/config/config.h"
#include "framework/nn/module.h"

namespace adder {

// Whether it acts at this step, from 1.
bool flosses(const FlossingConfig& config, int64_t step);
// What to ask of a forward pass (Pass::tangents) at such a step; `length`: tokens of a sequence.
Tangents flossing_request(const FlossingConfig& config, int64_t length);

// The terms of the sum: variables of rank 0 and the factor of each. Tells flossing/penalty, which is all of it, and
// flossing/exponent/<block>, the mean of its largest.
using Terms = std::vector<std::pair<Var, double>>;
Terms flossing_terms(const FlossingConfig& config, const Tangents& told, const Pass& pass);

}  // namespace adder
