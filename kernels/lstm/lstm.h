// Long short-term memory (Hochreiter & Schmidhuber, 1997; forget gates of Gers et al., 2000) over a whole sequence; the
// projection of its inputs comes in. Rows of xg, w and bias: i, f, g, o.
//   pre_t = xg_t + bias + W h_{t-1};   i, f, o = sigmoid(pre),  g = tanh(pre)
//   c_t = f c_{t-1} + i g,   h_t = o tanh(c_t),   y_t = h_t
// h_{-1}, c_{-1} are h0, c0, or 0 without one; where resets[b,t] is not 0 a document starts: both count as 0.
// The cells c are not stored: forward keeps those before every kLstmChunk-th step, backward computes the others again.
// Backward: dh_t = dy_t + W^T dpre_{t+1},  dc_t = dh_t o (1 - tanh(c_t)^2) + f_{t+1} dc_{t+1},  then through the gates.
#pragma once
#include "kernels/matmul/matmul.h"
#include "kernels/matrix.h"
#include "kernels/sequence.h"

namespace kernels {

constexpr int64_t kLstmChunk = 8;

template <class T>
struct Lstm {
  int64_t batch = 0, length = 0, hidden = 0;
  Sequence<const T> xg{};                  // [batch, length, 4 hidden]   read by forward only; gates may be written over it
  Matrix<const T> w{};                     // [4 hidden, hidden]
  const T* bias = nullptr;                 // [4 hidden] or null          read by forward only
  Matrix<const T> h0{}, c0{};              // [batch, hidden] or null
  const int32_t* resets = nullptr;         // [batch, length] or null
  Panels panels{};                         // of w (matmul.h), for a single step; or nothing
  T* y = nullptr;                          // [batch, length, hidden]     written by forward, read by backward
  T* gates = nullptr;                      // [batch, length, 4 hidden]   the same, i, f, g, o; null: no backward
  T* cells = nullptr;                      // [batch, lstm_chunks(length), hidden]   the same: c before a chunk
  Matrix<T> last_h{}, last_c{};            // [batch, hidden]             written by forward
  Sequence<const T> dy{};                  // read by backward; null: that output was not used
  Matrix<const T> dlast_h{}, dlast_c{};
  T* dpre = nullptr;                       // [batch, length, 4 hidden]   written by backward: the gradient of xg; may be gates
  Matrix<T> dw{};                          // backward adds into these; null: not wanted
  T* dbias = nullptr;
  Matrix<T> dh0{}, dc0{};
};

inline int64_t lstm_chunks(int64_t length) { return (length + kLstmChunk - 1) / kLstmChunk; }

namespace cpu {
template <class T> void lstm_fwd(const Lstm<T>&);
template <class T> void lstm_bwd(const Lstm<T>&);
}  // namespace cpu
}  // namespace kernels
