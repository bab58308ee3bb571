// Gated recurrent unit (Cho et al., 2014; torch's form with two biases) over a whole sequence; the projection of its inputs
// comes in. Rows of xg, w and bias: r, z, n.
//   r, z = sigmoid(xg_t + bias + W h_{t-1}),  q = bias_n + W_n h_{t-1},  n = tanh(xg_n + r q)
//   h_t = (1 - z) n + z h_{t-1} = n + z (h_{t-1} - n),   y_t = h_t,   last = h_{L-1}
// h_{-1} is h0, or 0 without one; where resets[b,t] is not 0 a document starts: h_{t-1} counts as 0.
// Backward: dh_t = dy_t + z_{t+1} dh_{t+1} + W^T dstep_{t+1}, where dxg is the gradient of what xg is added to and
// dstep that of bias + W h: the two differ by the factor r in the rows of n.
#pragma once
#include "kernels/matmul/matmul.h"
#include "kernels/matrix.h"
#include "kernels/sequence.h"

namespace kernels {

template <class T>
struct Gru {
  int64_t batch = 0, length = 0, hidden = 0;
  Sequence<const T> xg{};            // [batch, length, 3 hidden]   read by forward only; gates may be written over it
  Matrix<const T> w{};               // [3 hidden, hidden]
  const T* bias = nullptr;           // [3 hidden] or null          read by forward only
  Matrix<const T> h0{};              // [batch, hidden] or null
  const int32_t* resets = nullptr;   // [batch, length] or null
  Panels panels{};                   // of w (matmul.h), for a single step; or nothing
  T* y = nullptr;                    // [batch, length, hidden]     written by forward, read by backward
  T* gates = nullptr;                // [batch, length, 3 hidden]   the same, r, z, n; null: no backward, which leaves dxg there
  T* q = nullptr;                    // [batch, length, hidden]     the same; backward leaves dstep of n, whose r and z are dxg's
  Matrix<T> last{};                  // [batch, hidden]             written by forward
  Sequence<const T> dy{};            // read by backward; null: that output was not used
  Matrix<const T> dlast{};
  Matrix<T> dw{};                    // backward adds into these; null: not wanted
  T* dbias = nullptr;
  Matrix<T> dh0{};
};

namespace cpu {
template <class T> void gru_fwd(const Gru<T>&);
template <class T> void gru_bwd(const Gru<T>&);
}  // namespace cpu
}  // namespace kernels
