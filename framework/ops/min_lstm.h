// The minimal LSTM's recurrence from its pre-activations (kernels/min_lstm/min_lstm.h: the whole equation).
//   h[b,t,d] = f' h[b,t-1,d] + (1 - f') c(v[b,t,d]),  f' = sigmoid(f) / (sigmoid(f) + sigmoid(i))
// f, i, v (B,L,D), L >= 1; h0, h, last, resets and the candidate c as in ops/min_gru.h.
#pragma once
#include "framework/ops/min_gru.h"

namespace adder::ops {

struct MinLstmResult {
  Var h, last;
};
MinLstmResult min_lstm(const Var& f, const Var& i, const Var& v, const Var& h0 = {},
                       const Tensor& resets = {}, Candidate candidate = Candidate::linear);

}  // namespace adder::ops
