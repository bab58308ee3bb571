// A task runs the whole time loop for a block of batch rows; nothing is shared between tasks but the packed weights.
#include "kernels/rnn/rnn.h"

#include "kernels/fetch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rnn/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/recurrent/step_product.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {
using namespace recurrent;

template <class T>
History<T> history(const Rnn<T>& a, const T* zero) {
  return {a.y, a.h0, a.resets, a.length, a.hidden, zero};
}

template <class T>
void activate(RnnActivation activation, T* h, int64_t n) {
  if (activation == RnnActivation::identity) return;
  each_vector<T>(n, [&](int64_t j, int64_t left) HWY_ATTR {
    const auto x = load(h + j, left);
    store(h + j, activation == RnnActivation::tanh ? tanh(x) : max(zero<T>(), x), left);
  });
}

template <class T>
void forward_block(const Rnn<T>& a, const Packed<T>& w, const T* zero, int64_t first, int rows) {
  const auto h = history(a, zero);
  const T *x[kMaxRows], *start[kMaxRows];
  T* out[kMaxRows];
  for (int64_t t = 0; t < a.length; ++t) {
    for (int r = 0; r < rows; ++r) {
      x[r] = h.before(first + r, t);
      start[r] = a.xg.row(first + r, t);
      out[r] = a.y + ((first + r) * a.length + t) * a.hidden;
    }
    multiply(w, rows, x, start, a.bias ? a.bias : zero, out, t + 1 < a.length ? a.xg.stride : 0);
    for (int r = 0; r < rows; ++r) activate(a.activation, out[r], a.hidden);
  }
  for (int r = 0; r < rows; ++r) std::copy_n(out[r], a.hidden, a.last.row(first + r));
}

template <class T>
void forward(const Rnn<T>& a) {
  const auto w = transposed_for(a.length, a.w, a.panels, kPacked);
  const T* zero = zeros<T>(a.hidden);
  for_each_block(a.batch, [&](int64_t first, int rows) { forward_block(a, w, zero, first, rows); });
}

// dpre = dh act'(pre), where y = act(pre)
template <class T>
void through_activation(RnnActivation activation, const T* y, const T* dh, T* dpre, int64_t n) {
  each_vector<T>(n, [&](int64_t j, int64_t left) HWY_ATTR {
    auto d = load(dh + j, left);
    const auto h = load(y + j, left);
    if (activation == RnnActivation::tanh) d *= fnma(h, h, set(T(1)));
    if (activation == RnnActivation::relu) d = if_greater(h, zero<T>(), d, zero<T>());
    store(dpre + j, d, left);
  });
}

template <class T>
void backward_block(const Rnn<T>& a, const Packed<T>& w, const T* zero, int64_t first, int rows) {
  const int64_t n = a.hidden;
  const auto h = history(a, zero);
  T* state = scratch<T>(size_t(rows * n), kState);
  const T *x[kMaxRows], *start[kMaxRows];
  T* dh[kMaxRows];
  for (int r = 0; r < rows; ++r) {
    dh[r] = state + r * n;
    std::copy_n(a.dlast ? a.dlast.row(first + r) : zero, n, dh[r]);
    if (a.dy) add_to(dh[r], a.dy.row(first + r, a.length - 1), n);
  }
  for (int64_t t = a.length - 1; t >= 0; --t) {
    for (int r = 0; r < rows; ++r) {
      const int64_t b = first + r, at = (b * a.length + t) * n;
      if (t > 0) fetch(a.y + at - n, n);
      through_activation(a.activation, a.y + at, dh[r], a.dpre + at, n);
      x[r] = a.dpre + at;
      start[r] = t > 0 && a.dy ? a.dy.row(b, t - 1) : zero;
    }
    if (t == 0 && !a.dh0) return;
    multiply(w, rows, x, start, zero, dh);
    for (int r = 0; r < rows; ++r)
      if (h.starts(first + r, t)) std::copy_n(start[r], n, dh[r]);
  }
  for (int r = 0; r < rows; ++r) add_to(a.dh0.row(first + r), dh[r], n);
}

template <class T>
void backward(const Rnn<T>& a) {
  const auto w = pack(a.w, kPacked);
  const T* zero = zeros<T>(a.hidden);
  for_each_block(a.batch, [&](int64_t first, int rows) { backward_block(a, w, zero, first, rows); });
  add_weight_gradients<T>(history(a, zero), {{a.dw, a.dbias, {a.dpre, a.batch * a.length, a.hidden, a.hidden}}});
}

}  // namespace
SIMD_KERNEL(rnn_fwd, Rnn, forward)
SIMD_KERNEL(rnn_bwd, Rnn, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(rnn_fwd, Rnn)
SIMD_DISPATCH(rnn_bwd, Rnn)
}  // namespace kernels
#endif
