// Gated recurrent unit over a whole sequence as one op, its input projection made beforehand (ops::linear). torch's
// form, whose second bias of n stands inside the product with r:
//   r, z = sigmoid(xg_t + w_hh h_{t-1} + b_hh),  n = tanh(xg_n + r (w_hn h_{t-1} + b_hn));  h_t = (1-z) n + z h_{t-1}
// xg (B,L,3H), w_hh (3H,H), their rows in the order r, z, n; b_hh (3H), h0 (B,H), each or nothing: zero.
// y (B,L,H) holds h; last (B,H) = h_{L-1}.
// resets int32 (B,L) or nothing: not 0 where a document starts; h_{t-1} is zero there, whatever it was.
// Gradients for all of them, through y and last. An xg that nobody else holds is written over (hand it over: std::move).
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

struct GruResult {
  Var y, last;
};
GruResult gru(Var xg, const Var& w_hh, const Var& b_hh, const Var& h0, const Tensor& resets);

}  // namespace adder::ops
