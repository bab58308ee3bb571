// Linear recurrence over time with complex coefficients, channel by channel, as pairs of real numbers:
//   h[b,t,n]  = a[b,t,n] h[b,t-1,n] + b[b,t,n]    with h[b,-1,n] = h0[b,n], or 0
//   last[b,n] = h[b,L-1,n]
// Where resets[b,t] is not 0 a document starts and h[b,t] is b[b,t]. Where a is constant its rows all are one,
// with strides of 0, and its gradient is summed over batch and time: first within pieces of a row, then over these in order.
// Gradients, where a pair x counts as the number dL/dx_re + i dL/dx_im and * is the conjugate:
//   g[b,t] = dh[b,t] + a*[b,t+1] g[b,t+1],  g[b,L-1] = dh[b,L-1] + dlast[b]      the reversed, shifted scan
//   da[b,t] += g[b,t] h*[b,t-1],  db[b,t] += g[b,t],  dh0[b] += a*[b,0] g[b,0]
#pragma once
#include "kernels/matrix.h"
#include "kernels/sequence.h"

namespace kernels {

template <class T>
struct ComplexScan {
  Sequence<const T> a_re, a_im;           // [batch, length, channels], both strides 0 where constant
  Sequence<const T> b_re, b_im;           // [batch, length, channels]
  bool constant_a = false;
  Matrix<const T> h0_re{}, h0_im{};       // [batch, channels] or null
  const int32_t* resets = nullptr;        // [batch, length] or null
  Sequence<T> h_re{}, h_im{};             // [batch, length, channels]   written by forward, read by backward
  Matrix<T> last_re{}, last_im{};         // [batch, channels]           written by forward
  Sequence<const T> dh_re{}, dh_im{};     // read by backward; null: that output was not used
  Matrix<const T> dlast_re{}, dlast_im{};
  Sequence<T> da_re{}, da_im{};           // backward adds into these; null: not wanted. constant_a: [channels]
  Sequence<T> db_re{}, db_im{};
  Matrix<T> dh0_re{}, dh0_im{};
};

namespace cpu {
template <class T> void complex_scan_fwd(const ComplexScan<T>&);
template <class T> void complex_scan_bwd(const ComplexScan<T>&);
}  // namespace cpu
}  // namespace kernels
