// Long short-term memory over a whole sequence as one op, its input projection made beforehand (ops::linear).
//   i, f, o = sigmoid(xg_t + w_hh h_{t-1} + b_hh),  g = tanh(the same);  c_t = f c_{t-1} + i g,  h_t = o tanh(c_t)
// xg (B,L,4H), w_hh (4H,H), their rows in the order i, f, g, o; b_hh (4H), h0, c0 (B,H), each or nothing: zero.
// y (B,L,H) holds h; h, c (B,H) are the state after the last step.
// resets int32 (B,L) or nothing: not 0 where a document starts; h_{t-1} and c_{t-1} are zero there.
// Gradients for all of them, through y, h and c. An xg that nobody else holds is written over (hand it over: std::move).
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

struct LstmResult {
  Var y, h, c;
};
LstmResult lstm(Var xg, const Var& w_hh, const Var& b_hh, const Var& h0, const Var& c0,
                const Tensor& resets);

}  // namespace adder::ops
