// The minimal GRU (Feng et al., 2024), from its pre-activations: its gate sees the input alone, so time is a
// scan.
//   z = sigmoid(k)
//   h[b,t,d]  = (1 - z[b,t,d]) h[b,t-1,d] + z[b,t,d] c(v[b,t,d])      with h[b,-1,d] = h0[b,d], or 0
//   last[b,d] = h[b,L-1,d]
// The candidate c is v itself, or g(v) = v + 1/2 where v >= 0, sigmoid(v) below: positive, as the paper's
// form in logarithms needs it; its slope at 0 is that from the right. h0 is the state itself, not its
// pre-activation. Where resets[b,t] is not 0 a document starts: h[b,t-1] counts as 0 there. Gradients, with
// G = dL/dh[b,t], all that flows back to it counted:
//   G[b,t] = dh[b,t] + (1 - z[b,t+1]) G[b,t+1],  G[b,L-1] = dh[b,L-1] + dlast[b]
//   dk += G (c - h[b,t-1]) z (1 - z),  dv += G z c',  dh0 += (1 - z[b,0]) G[b,0]
#pragma once
#include "kernels/matrix.h"
#include "kernels/sequence.h"

namespace kernels {

enum class Candidate { linear, g };

template <class T>
struct MinGru {
  Sequence<const T> k, v;             // [batch, length, channels]
  Matrix<const T> h0{};               // [batch, channels] or null
  const int32_t* resets = nullptr;    // [batch, length] or null
  Candidate candidate = Candidate::linear;
  Sequence<T> h{};                    // [batch, length, channels]   written by forward, read by backward
  Matrix<T> last{};                   // [batch, channels]           written by forward
  Sequence<const T> dh{};             // read by backward; null: that output was not used
  Matrix<const T> dlast{};
  Sequence<T> dk{}, dv{};             // backward adds into these; null: not wanted
  Matrix<T> dh0{};
  bool overwrite = false;             // or writes dk and dv anew
};

namespace cpu {
template <class T> void min_gru_fwd(const MinGru<T>&);
template <class T> void min_gru_bwd(const MinGru<T>&);
}  // namespace cpu
}  // namespace kernels
