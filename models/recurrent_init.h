// How the weights of recurrent networks start, and what their mixers share.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "framework/nn/model.h"
#include "models/mixer.h"

namespace adder {

namespace init {
// Square matrices n x n under one another, one a gate, each orthogonal: the Gram-Schmidt basis of a Gaussian matrix,
// which is uniform over all of them (Haar).
Initializer orthogonal(int64_t n);
// The same with ones on each diagonal and zeros elsewhere.
Initializer identity(int64_t n);
}  // namespace init

// weight_hh of n hidden units: "uniform" (torch's U(-1/sqrt(n), 1/sqrt(n))), "gaussian" (N(0, 1/n)), "orthogonal" or
// "identity" (Le, Jaitly & Hinton, 2015, with relu). Error for another name.
Initializer recurrent_weight(const std::string& kind, int64_t n);

// The parameters of torch's recurrent layers: weight_ih (gates H, D), weight_hh (gates H, H), bias_ih and bias_hh
// (gates H), and out_proj.weight (D, H) where H differs from D.
struct RecurrentParameters {
  Parameter *weight_ih, *weight_hh, *bias_ih, *bias_hh, *out_proj = nullptr;
};
struct RecurrentSizes {
  int64_t d_model, hidden, gates, n_layers;
};
struct RecurrentStart {
  Initializer weight_hh, bias_ih, bias_hh;  // weight_ih: torch's U(-1/sqrt(H), 1/sqrt(H))
};
RecurrentParameters declare_recurrent(const ParameterScope& scope, const RecurrentSizes& sizes,
                                      const RecurrentStart& start);

// Step by step, op by op, as a recurrence is written down: step(x_t (B, D), state) changes the state, whose first
// tensor (B, H) is the output. The state is zero at first where it is empty, and where a document starts.
using RecurrentStep = std::function<void(const Var& x, MixerState& state)>;
Var each_step(const Var& x, MixerState& state, size_t tensors, int64_t hidden, const Tensor& resets,
              const RecurrentStep& step);

// W_ih x + b_ih, and h (B, H) through W_hh and b_hh. With `at`'s table it is a look-up: a row of gates a symbol.
Var input_projection(Pass& pass, const RecurrentParameters& p, const Var& x, const Stretch& at);
Var input_projection(Pass& pass, const RecurrentParameters& p, const Var& x);
Var hidden_projection(Pass& pass, const RecurrentParameters& p, const Var& h);
// log sigmoid of rows `gate` H .. (gate + 1) H of W_ih x_t + b_ih + W_hh h_{t-1} + b_hh, float64 (B, L, H): a gate that
// multiplies the state, for y (B, L, H), the h_t, and h0 (B, H), the state before, or undefined: zero.
Tensor log_gate(Pass& pass, const RecurrentParameters& p, int64_t gate, const Var& x, const Var& y, const Var& h0);
// out_proj y, or y where there is none
Var output_projection(Pass& pass, const RecurrentParameters& p, const Var& y);

}  // namespace adder
