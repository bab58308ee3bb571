// The factors a_t by which a mixer's state is multiplied from step to step, h_t = a_t h_{t-1} + ..., for the gradient lab:
// their running products are how far back the state reaches.
#pragma once
#include <cmath>
#include <map>
#include <string>

#include "framework/core/tensor.h"

namespace adder {

struct Decay {
  Tensor log_abs{};   // float64 (batch, length, n): log |a_t|; minus infinity for 0. Undefined: there are none
  int64_t each = 1;   // numbers of the state that share one of the n: a complex one counts 2
  bool whole = true;  // they are the whole Jacobian of the state; false: gates read the state, too (an LSTM's cell path)
};

using Decays = std::map<std::string, Decay>;  // by block: "blocks.0"

// log(1 / (1 + e^-x)), without loss at either end.
inline double log_sigmoid(double x) { return x < 0 ? x - std::log1p(std::exp(x)) : -std::log1p(std::exp(-x)); }
inline double softplus(double x) { return -log_sigmoid(-x); }

}  // namespace adder
