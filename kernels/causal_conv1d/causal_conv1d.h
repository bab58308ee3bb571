// Causal convolution over time, channel by channel (depthwise), with carried inputs and an optional SiLU.
//   pre[b,t,d]  = bias[d] + sum_k w[d,k] * x[b,t-K+1+k,d]        the last tap meets the present
//   y[b,t,d]    = silu ? pre * sigmoid(pre) : pre
//   last[b,j,d] = x[b,L-K+1+j,d]                                 the K-1 latest inputs, for the next stretch
// Inputs before the stretch are x0: x[b,-K+1+j,d] = x0[b,j,d], or 0 without one. Where resets[b,t] is not 0 a
// document starts: inputs before t count as 0 from there on, in y and in last.
#pragma once
#include "kernels/matrix.h"
#include "kernels/sequence.h"

namespace kernels {

template <class T>
struct CausalConv1d {
  Sequence<const T> x;                // [batch, length, channels]
  Matrix<const T> w;                  // [channels, taps]
  const T* bias = nullptr;            // [channels] or null
  Sequence<const T> x0{};             // [batch, taps-1, channels] or null
  const int32_t* resets = nullptr;    // [batch, length] or null
  bool silu = false;
  Sequence<T> y{};                    // [batch, length, channels]   written by forward
  Sequence<T> last{};                 // [batch, taps-1, channels]   written by forward
  Sequence<const T> dy{}, dlast{};    // read by backward; null: that output was not used
  Sequence<T> dx{}, dx0{};            // backward adds into these; null: not wanted
  bool overwrite_dx = false;          // or writes dx anew
  Matrix<T> dw{};
  T* dbias = nullptr;
};

namespace cpu {
template <class T> void causal_conv1d_fwd(const CausalConv1d<T>&);
template <class T> void causal_conv1d_bwd(const CausalConv1d<T>&);
}  // namespace cpu
}  // namespace kernels
