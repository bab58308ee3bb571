// Elman's recurrent network over a whole sequence; the projection of its inputs comes in.
//   h_t = act(xg_t + bias + W h_{t-1}),   y_t = h_t,   last = h_{L-1}
// h_{-1} is h0, or 0 without one; where resets[b,t] is not 0 a document starts: h_{t-1} counts as 0.
// Backward: dh_t = dy_t + W^T dpre_{t+1} (+ dlast),  dpre_t = dh_t act'(pre_t),  and act' follows from y.
#pragma once
#include "kernels/matmul/matmul.h"
#include "kernels/matrix.h"
#include "kernels/sequence.h"

namespace kernels {

enum class RnnActivation { tanh, relu, identity };

template <class T>
struct Rnn {
  int64_t batch = 0, length = 0, hidden = 0;
  RnnActivation activation = RnnActivation::tanh;
  Sequence<const T> xg{};            // [batch, length, hidden]   read by forward only; y may be written over it
  Matrix<const T> w{};               // [hidden, hidden]
  const T* bias = nullptr;           // [hidden] or null          read by forward only
  Matrix<const T> h0{};              // [batch, hidden] or null
  const int32_t* resets = nullptr;   // [batch, length] or null
  Panels panels{};                   // of w (matmul.h), for a single step; or nothing
  T* y = nullptr;                    // [batch, length, hidden]   written by forward, read by backward
  Matrix<T> last{};                  // [batch, hidden]           written by forward
  Sequence<const T> dy{};            // read by backward; null: that output was not used
  Matrix<const T> dlast{};
  T* dpre = nullptr;                 // [batch, length, hidden]   written by backward: the gradient of xg
  Matrix<T> dw{};                    // backward adds into these; null: not wanted
  T* dbias = nullptr;
  Matrix<T> dh0{};
};

namespace cpu {
template <class T> void rnn_fwd(const Rnn<T>&);
template <class T> void rnn_bwd(const Rnn<T>&);
}  // namespace cpu
}  // namespace kernels
