// Nonlinear recurrences evaluated for all steps at once, by Newton's method on the scan: DEER (Lim et al.,
// 2024), and quasi-DEER (Gonzalez et al., 2024), which keeps no more of each Jacobian than its diagonal.
//   s_t = f(s_{t-1}, xg_t), the states of rnn.h, gru.h or lstm.h (s = [h, c] there). Of a guess s:
//   r_t = f(s_{t-1}, xg_t) - s_t,  J_t = df/ds at s_{t-1};  d_t = J_t d_{t-1} + r_t (affine_scan.h, or
//   scan.h);  s += d
// from s = 0, until max |r| <= tolerance max(1, max |s|); y_t = f(s_{t-1}, xg_t) of that guess. An element that s + d
// would lead out of the range of states, or to no number, becomes f's instead: far from the solution d may overflow.
// Each document of a row is solved by itself, from its own start, and stops by itself: its bits depend on
// nothing around it. Where a residual is not finite, or the limit on iterations is met, it is run step by
// step instead, which has the bits of rnn.h, gru.h and lstm.h. Gradients are those of the recurrence,
// whatever the way to its solution: with g_t = dL/ds_t,
//   g_t = dy_t + J_{t+1}^T g_{t+1}     by affine_scan.h; for the quasi form step by step
#pragma once
#include "kernels/matrix.h"
#include "kernels/sequence.h"

namespace kernels {

enum class DeerCell { rnn_tanh, rnn_relu, gru, lstm };
constexpr int64_t deer_gates(DeerCell cell) {
  return cell == DeerCell::gru ? 3 : cell == DeerCell::lstm ? 4 : 1;
}
constexpr int64_t deer_states(DeerCell cell) { return cell == DeerCell::lstm ? 2 : 1; }

// Elements of a state whose whole Jacobian is kept for every step.
constexpr int64_t kDeerMostState = 64;

struct DeerReport {
  int64_t documents = 0, iterations = 0, most = 0;  // iterations: of all documents; most: of one
  int64_t fallbacks = 0;                            // documents that were run step by step
  double residual = 0;                              // largest at the end, of the others
  double failed_residual = 0;                       // largest of those that fell back; infinite: not finite
};

template <class T>
struct Deer {
  DeerCell cell = DeerCell::gru;
  bool dense = true;  // false: quasi-DEER
  T tolerance = 0;
  int64_t max_iterations = 0;
  int64_t batch = 0, length = 0, hidden = 0;
  Sequence<const T> xg{};           // [batch, length, gates hidden]
  Matrix<const T> w{};              // [gates hidden, hidden]
  const T* bias = nullptr;          // [gates hidden] or null
  Matrix<const T> h0{}, c0{};       // [batch, hidden] or null; c0 of lstm alone
  const int32_t* resets = nullptr;  // [batch, length] or null
  T* states = nullptr;              // [batch, length, states hidden]   written by forward, read by backward
  Matrix<T> last_h{}, last_c{};     // [batch, hidden]                  written by forward
  DeerReport* report = nullptr;     // written by forward
  Sequence<const T> dy{};           // read by backward; null: that output was not used
  Matrix<const T> dlast_h{}, dlast_c{};
  T* dxg = nullptr;       // [batch, length, gates hidden]    written by backward: the gradient of xg
  T* dstep = nullptr;     // [batch, length, gates hidden]    scratch: the gradient of bias + W h
  T* previous = nullptr;  // [batch, length, hidden]          scratch: h_{t-1}
  Matrix<T> dw{};         // backward adds into these; null: not wanted
  T* dbias = nullptr;
  Matrix<T> dh0{}, dc0{};
};

namespace cpu {
template <class T>
void deer_fwd(const Deer<T>&);
template <class T>
void deer_bwd(const Deer<T>&);
}  // namespace cpu
}  // namespace kernels
