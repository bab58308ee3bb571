// The minimal LSTM (Feng et al., 2024), from its pre-activations: forget and input gate, made to add up to 1.
//   f' = s(f) / (s(f) + s(i)),  i' = 1 - f' = s(i) / (s(f) + s(i))      s the logistic sigmoid
//   h[b,t,d]  = f'[b,t,d] h[b,t-1,d] + i'[b,t,d] c(v[b,t,d])            with h[b,-1,d] = h0[b,d], or 0
//   last[b,d] = h[b,L-1,d]
// Candidate c, h0 and resets as in min_gru. The quotients are taken as
//   s(f) : s(i) = e^min(f,0) (1 + e^-|i|) : e^min(i,0) (1 + e^-|f|)
// with both sides divided by the larger power: no 0/0 however small both gates are, no digits lost.
// Gradients, with G = dL/dh[b,t], all that flows back to it counted:
//   G[b,t] = dh[b,t] + f'[b,t+1] G[b,t+1],  G[b,L-1] = dh[b,L-1] + dlast[b]
//   q = G (c - h[b,t-1]) f' i';  df -= q s(-f),  di += q s(-i),  dv += G i' c',  dh0 += f'[b,0] G[b,0]
#pragma once
#include "kernels/min_gru/min_gru.h"

namespace kernels {

template <class T>
struct MinLstm {
  Sequence<const T> f, i, v;          // [batch, length, channels]
  Matrix<const T> h0{};               // [batch, channels] or null
  const int32_t* resets = nullptr;    // [batch, length] or null
  Candidate candidate = Candidate::linear;
  Sequence<T> h{};                    // [batch, length, channels]   written by forward, read by backward
  Matrix<T> last{};                   // [batch, channels]           written by forward
  Sequence<const T> dh{};             // read by backward; null: that output was not used
  Matrix<const T> dlast{};
  Sequence<T> df{}, di{}, dv{};       // backward adds into these; null: not wanted
  Matrix<T> dh0{};
  bool overwrite = false;             // or writes df, di and dv anew
};

namespace cpu {
template <class T> void min_lstm_fwd(const MinLstm<T>&);
template <class T> void min_lstm_bwd(const MinLstm<T>&);
}  // namespace cpu
}  // namespace kernels
