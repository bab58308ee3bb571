// A linear recurrence with one dense matrix for all steps, parallel over time.
//   h[b,t] = A h[b,t-1] + x[b,t]      with h[b,-1] = h0[b], or 0;      last[b] = h[b,L-1]
// Where resets[b,t] is not 0 a document starts and h[b,t] is x[b,t].
// Time is cut into chunks of kDenseChunk = Q steps. With e_c the state at the end of chunk c had it started from 0, the
// state that enters the next one is
//   s_{c+1} = e_c + A^Q s_c,  or e_c where a document starts inside c,
// and the chunks of all rows then run side by side: twice the products, but L / Q + 2 Q of them in a chain instead of L.
// Gradients, with G[t] = dL/dh[t], all that flows back to it counted:
//   G[t] = dh[t] + A^T G[t+1],  G[L-1] = dh[L-1] + dlast       the same recurrence, backwards
//   dx += G,  dA += sum G[t] h[t-1]^T,  dh0 += A^T G[0]
#pragma once
#include "kernels/matrix.h"
#include "kernels/sequence.h"

namespace kernels {

constexpr int64_t kDenseChunk = 64;  // a power of two

template <class T>
struct DenseScan {
  Matrix<const T> a;                 // [state, state]
  Sequence<const T> x{};             // [batch, length, state]   read by forward only
  Matrix<const T> h0{};              // [batch, state] or null
  const int32_t* resets = nullptr;   // [batch, length] or null
  Sequence<T> h{};                   // [batch, length, state]   written by forward, read by backward; dense
  Matrix<T> last{};                  // [batch, state]           written by forward
  Sequence<const T> dh{};            // read by backward; null: that output was not used
  Matrix<const T> dlast{};
  Sequence<T> g{};                   // [batch, length, state]   written by backward: the gradient of x; dense
  Matrix<T> da{};                    // backward adds into these; null: not wanted
  Matrix<T> dh0{};
};

namespace cpu {
template <class T> void dense_scan_fwd(const DenseScan<T>&);
template <class T> void dense_scan_bwd(const DenseScan<T>&);
}  // namespace cpu
}  // namespace kernels
