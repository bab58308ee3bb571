// A linear recurrence with a dense matrix of its own for every step, parallel over time: the scan of AffineDense.
//   h[b,t] = h[b,t-1] A[b,t] + x[b,t]    rows times matrices;  h[b,-1] = h0[b], or 0;  last[b] = h[b,L-1]
// Where resets[b,t] is not 0 a document starts and h[b,t] is x[b,t].
// Time is cut into chunks of kAffineChunk steps, by its length alone. Each chunk's steps combine into one element, a
// scan over those gives the state that enters each chunk, and the chunks then run side by side: n + 2 times the products
// of a plain loop, but few of them in a chain.
// Gradients, with G[t] = dL/dh[t], all that flows back to it counted:
//   G[t] = dh[t] + G[t+1] A[t+1]^T,  G[L-1] = dh[L-1] + dlast       the same recurrence, backwards
//   dx += G,  dA[t] += h[t-1]^T G[t],  dh0 += G[0] A[0]^T
#pragma once
#include "kernels/matrix.h"
#include "kernels/sequence.h"

namespace kernels {

constexpr int64_t kAffineChunk = 32;

template <class T>
struct AffineScan {
  int64_t state = 0;                 // n
  Sequence<const T> a{};             // [batch, length, n n]; A[b,0] is not looked at where nothing came before
  Sequence<const T> x{};             // [batch, length, n]   read by forward only
  Matrix<const T> h0{};              // [batch, n] or null
  const int32_t* resets = nullptr;   // [batch, length] or null
  Sequence<T> h{};                   // [batch, length, n]   written by forward, read by backward; not x
  Matrix<T> last{};                  // [batch, n]           written by forward; null: not wanted
  Sequence<const T> dh{};            // read by backward; null: that output was not used
  Matrix<const T> dlast{};
  Sequence<T> g{};                   // [batch, length, n]   written by backward: the gradient of x
  Sequence<T> da{};                  // backward adds into these; null: not wanted
  Matrix<T> dh0{};
};

namespace cpu {
template <class T> void affine_scan_fwd(const AffineScan<T>&);
template <class T> void affine_scan_bwd(const AffineScan<T>&);
}  // namespace cpu
}  // namespace kernels
