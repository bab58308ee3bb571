// A task runs the whole time loop for a block of batch rows; nothing is shared between tasks but the packed weights.
#include "kernels/gru/gru.h"

#include "kernels/fetch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gru/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/recurrent/step_product.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {
using namespace recurrent;

template <class T>
History<T> history(const Gru<T>& a, const T* zero) {
  return {a.y, a.h0, a.resets, a.length, a.hidden, zero};
}

// gates [3 n] hold the preactivations of r and z; they become r, z, n. xn may be where n goes.
template <class T>
void apply_gates(T* gates, const T* q, const T* xn, const T* before, T* h, int64_t n) {
  T *r = gates, *z = r + n, *candidate = z + n;
  each_vector<T>(n, [=](int64_t j, int64_t left) HWY_ATTR {
    const auto reset = sigmoid(load(r + j, left)), update = sigmoid(load(z + j, left));
    const auto fresh = tanh(fma(reset, load(q + j, left), load(xn + j, left)));
    store(r + j, reset, left), store(z + j, update, left), store(candidate + j, fresh, left);
    store(h + j, fma(update, load(before + j, left) - fresh, fresh), left);
  });
}

// The rows of r and z begin at xg, those of n only at the bias.
template <class T>
struct Weights {
  Packed<T> rz, n;
};

template <class T>
void forward_block(const Gru<T>& a, const Weights<T>& w, const T* zero, int64_t first, int rows) {
  const int64_t n = a.hidden;
  const auto h = history(a, zero);
  T* unkept = a.gates ? nullptr : scratch<T>(size_t(rows * 4 * n), kGates);
  const T *x[kMaxRows], *start[kMaxRows], *nothing[kMaxRows];
  T *gates[kMaxRows], *q[kMaxRows];
  for (int64_t t = 0; t < a.length; ++t) {
    for (int r = 0; r < rows; ++r) {
      const int64_t b = first + r;
      x[r] = h.before(b, t);
      start[r] = a.xg.row(b, t), nothing[r] = zero;
      gates[r] = a.gates ? a.gates + (b * a.length + t) * 3 * n : unkept + r * 4 * n;
      q[r] = a.gates ? a.q + (b * a.length + t) * n : gates[r] + 3 * n;
    }
    multiply(w.rz, rows, x, start, a.bias ? a.bias : zero, gates, t + 1 < a.length ? a.xg.stride : 0);
    multiply(w.n, rows, x, nothing, a.bias ? a.bias + 2 * n : zero, q);
    for (int r = 0; r < rows; ++r)
      apply_gates(gates[r], q[r], start[r] + 2 * n, x[r], a.y + ((first + r) * a.length + t) * n, n);
  }
  for (int r = 0; r < rows; ++r)
    std::copy_n(a.y + ((first + r + 1) * a.length - 1) * n, n, a.last.row(first + r));
}

template <class T>
void forward(const Gru<T>& a) {
  const int64_t n = a.hidden;
  const Weights<T> w{transposed_for<T>(a.length, {a.w.data, 2 * n, n, a.w.stride}, a.panels, kPacked),
                     transposed_for<T>(a.length, {a.w.row(2 * n), n, n, a.w.stride}, panels_from(a.panels, 2 * n, n), kPackedToo)};
  const T* zero = zeros<T>(2 * n);
  for_each_block(a.batch, [&](int64_t first, int rows) { forward_block(a, w, zero, first, rows); });
}

// gates [3 n] become dxg and q dstep of n; dstep [3 n] is the whole of it, for the product; dh becomes z dh: what reaches h_{t-1}
// past the product
template <class T>
void through_gates(T* gates, T* q, const T* before, T* dh, T* dstep, int64_t n) {
  T *r = gates, *z = r + n, *candidate = z + n;
  each_vector<T>(n, [=](int64_t j, int64_t left) HWY_ATTR {
    const auto one = set(T(1));
    const auto reset = load(r + j, left), update = load(z + j, left), fresh = load(candidate + j, left);
    const auto d = load(dh + j, left);
    const auto dn = d * (one - update) * fnma(fresh, fresh, one);
    // + 0: where q is 0 the product may be -0, which a gradient that is added never is
    const auto dr = fma(dn * (reset * (one - reset)), load(q + j, left), zero<T>());
    const auto dz = d * (load(before + j, left) - fresh) * (update * (one - update));
    store(r + j, dr, left), store(z + j, dz, left), store(candidate + j, dn, left), store(q + j, dn * reset, left);
    store(dstep + j, dr, left), store(dstep + n + j, dz, left), store(dstep + 2 * n + j, dn * reset, left);
    store(dh + j, d * update, left);
  });
}

template <class T>
void backward_block(const Gru<T>& a, const Packed<T>& w, const T* zero, int64_t first, int rows) {
  const int64_t n = a.hidden;
  const auto h = history(a, zero);
  T *state = scratch<T>(size_t(rows * n), kState), *dsteps = scratch<T>(size_t(rows * 3 * n), kGates);
  const T *x[kMaxRows], *start[kMaxRows];
  T* dh[kMaxRows];
  for (int r = 0; r < rows; ++r) {
    start[r] = dh[r] = state + r * n, x[r] = dsteps + r * 3 * n;
    std::copy_n(a.dlast ? a.dlast.row(first + r) : zero, n, dh[r]);
  }
  for (int64_t t = a.length - 1; t >= 0; --t) {
    for (int r = 0; r < rows; ++r) {
      const int64_t b = first + r, row = b * a.length + t;
      if (t > 0) fetch(a.gates + (row - 1) * 3 * n, 3 * n), fetch(a.q + (row - 1) * n, n);
      if (a.dy) add_to(dh[r], a.dy.row(b, t), n);
      through_gates(a.gates + row * 3 * n, a.q + row * n, h.before(b, t), dh[r], dsteps + r * 3 * n, n);
    }
    if (t == 0 && !a.dh0) return;
    multiply(w, rows, x, start, zero, dh);
    for (int r = 0; r < rows; ++r)
      if (h.starts(first + r, t)) std::fill_n(dh[r], n, T(0));
  }
  for (int r = 0; r < rows; ++r) add_to(a.dh0.row(first + r), dh[r], n);
}

template <class T>
void backward(const Gru<T>& a) {
  const auto w = pack(a.w, kPacked);
  const T* zero = zeros<T>(a.hidden);
  for_each_block(a.batch, [&](int64_t first, int rows) { backward_block(a, w, zero, first, rows); });
  const int64_t n = a.hidden, rows = a.batch * a.length;
  const Matrix<T> of_rz{a.dw.data, 2 * n, n, a.dw.stride}, of_n{a.dw ? a.dw.row(2 * n) : nullptr, n, n, a.dw.stride};
  add_weight_gradients<T>(history(a, zero), {{of_rz, a.dbias, {a.gates, rows, 2 * n, 3 * n}},
                                             {of_n, a.dbias ? a.dbias + 2 * n : nullptr, {a.q, rows, n, n}}});
}

}  // namespace
SIMD_KERNEL(gru_fwd, Gru, forward)
SIMD_KERNEL(gru_bwd, Gru, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(gru_fwd, Gru)
SIMD_DISPATCH(gru_bwd, Gru)
}  // namespace kernels
#endif
