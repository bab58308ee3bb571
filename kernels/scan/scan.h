// Linear recurrence over time, channel by channel, with given coefficients: the scan of x -> a x + b.
//   h[b,t,d]  = a[b,t,d] * h[b,t-1,d] + b[b,t,d]    with h[b,-1,d] = h0[b,d], or 0
//   last[b,d] = h[b,L-1,d]
// reverse, from the end to the start:
//   h[b,t,d]  = a[b,t,d] * h[b,t+1,d] + b[b,t,d]    with h[b,L,d] = h0[b,d], or 0, and last = h[b,0]
// Where resets[b,t] is not 0 a document starts, and no state crosses the boundary between t-1 and t: forward,
// h[b,t] is b[b,t]; in reverse, h[b,t-1] is b[b,t-1]. So resets[b,0] cuts h0 off forward; in reverse nothing
// does. Gradients, with g[b,t] = dL/dh[b,t], all that flows back to it counted (in reverse, time turned round):
//   g[b,t] = dh[b,t] + a[b,t+1] g[b,t+1],  g[b,L-1] = dh[b,L-1] + dlast[b]      the reversed, shifted scan
//   da[b,t] += g[b,t] h[b,t-1],  db[b,t] += g[b,t],  dh0[b] += a[b,0] g[b,0]
#pragma once
#include "kernels/matrix.h"
#include "kernels/sequence.h"

namespace kernels {

template <class T>
struct Scan {
  Sequence<const T> a, b;             // [batch, length, channels]
  Matrix<const T> h0{};               // [batch, channels] or null
  const int32_t* resets = nullptr;    // [batch, length] or null
  bool reverse = false;
  Sequence<T> h{};                    // [batch, length, channels]   written by forward, read by backward
  Matrix<T> last{};                   // [batch, channels]           written by forward
  Sequence<const T> dh{};             // read by backward; null: that output was not used
  Matrix<const T> dlast{};
  Sequence<T> da{}, db{};             // backward adds into these; null: not wanted
  Matrix<T> dh0{};
};

namespace cpu {
template <class T> void scan_fwd(const Scan<T>&);
template <class T> void scan_bwd(const Scan<T>&);
}  // namespace cpu
}  // namespace kernels
