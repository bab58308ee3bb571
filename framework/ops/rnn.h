// Elman's recurrent network over a whole sequence as one op, its input projection made beforehand (ops::linear).
//   h_t = act(xg_t + w_hh h_{t-1} + b_hh)
// xg (B,L,H), w_hh (H,H); b_hh (H), h0 (B,H) the state before, or nothing: zero. y (B,L,H); last (B,H) = h_{L-1}.
// resets int32 (B,L) or nothing: not 0 where a document starts; h_{t-1} is zero there, whatever it was.
// Gradients for all of them, through y and last. An xg that nobody else holds is written over (hand it over: std::move).
#pragma once
#include "framework/core/tape.h"
#include "kernels/rnn/rnn.h"

namespace adder::ops {

using RnnActivation = kernels::RnnActivation;  // tanh, relu, identity

struct RnnResult {
  Var y, last;
};
RnnResult rnn(Var xg, const Var& w_hh, const Var& b_hh, const Var& h0, const Tensor& resets,
              RnnActivation activation);

}  // namespace adder::ops
