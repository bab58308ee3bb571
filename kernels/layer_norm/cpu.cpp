// Rows in parallel; sums run over 16 (8) lane partials whatever the SIMD target. The variance takes a second
// pass: mean(x^2) - mean^2 would cancel.
#include "kernels/layer_norm/layer_norm.h"

#include "kernels/row_blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer_norm/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class T>
void normalise(const LayerNorm<T>& a, int64_t i) {
  const int64_t n = a.x.columns;
  const T* x = a.x.row(i);
  T* y = a.y.row(i);
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    const auto normal = (load(x + j, n - j) - set(a.m[i])) * set(a.r[i]);
    const auto shift = a.b ? load(a.b + j, n - j) : zero<T>();
    store(y + j, fma(normal, load(a.w + j, n - j), shift), n - j);
  }
}

template <class T>
void forward_row(const LayerNorm<T>& a, int64_t i) {
  const int64_t n = a.x.columns;
  const T* x = a.x.row(i);
  auto total = zero<T>();
  for (int64_t j = 0; j < n; j += kLanes<T>) total += load(x + j, n - j);
  const T m = sum(total) / T(n);
  auto squares = zero<T>();
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    const auto d = keep(load(x + j, n - j) - set(m), n - j);
    squares = fma(d, d, squares);
  }
  const T r = T(1) / std::sqrt(sum(squares) / T(n) + a.eps);
  a.m[i] = m, a.r[i] = r;
  normalise(a, i);
}

template <class T>
void forward(const LayerNorm<T>& a) {
  parallel_blocks(a.x.rows, kRowBlock, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) forward_row(a, i);
  });
}

// With g = dy w and h = (x - m) r:  dx = r (g - mean_j g - h mean_j(g h)),  dw = sum_i dy h,  db = sum_i dy
template <class T>
void input_gradient(const LayerNorm<T>& a, int64_t i) {
  const int64_t n = a.x.columns;
  const T *x = a.x.row(i), *dy = a.dy.row(i), *before = a.before ? a.before.row(i) : nullptr;
  T* dx = a.dx.row(i);
  const auto m = set(a.m[i]), r = set(a.r[i]);
  auto total = zero<T>(), dot = zero<T>();
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    const auto g = load(dy + j, n - j) * load(a.w + j, n - j);
    total += g;
    dot = fma(g, (load(x + j, n - j) - m) * r, dot);
  }
  const auto mean = set(sum(total) / T(n)), pull = set(sum(dot) / T(n));
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    const auto g = load(dy + j, n - j) * load(a.w + j, n - j);
    const auto d = fnma((load(x + j, n - j) - m) * r, pull, g - mean);
    store(dx + j, fma(d, r, before ? load(before + j, n - j) : zero<T>()), n - j);
  }
}

template <class T>
void weight_gradient(const LayerNorm<T>& a, int64_t i, T* dw) {
  const int64_t n = a.x.columns;
  const T *x = a.x.row(i), *dy = a.dy.row(i);
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    const auto normal = (load(x + j, n - j) - set(a.m[i])) * set(a.r[i]);
    store(dw + j, fma(load(dy + j, n - j), normal, load(dw + j, n - j)), n - j);
  }
}

template <class T>
void bias_gradient(const LayerNorm<T>& a, int64_t i, T* db) {
  const int64_t n = a.x.columns;
  const T* dy = a.dy.row(i);
  for (int64_t j = 0; j < n; j += kLanes<T>) store(db + j, load(db + j, n - j) + load(dy + j, n - j), n - j);
}

// All of it while a row is in the first-level cache.
template <class T>
void backward(const LayerNorm<T>& a) {
  const int64_t n = a.x.columns;
  sum_over_rows(a.x.rows, n, std::array<T*, 2>{a.dw, a.db}, [&](int64_t first, int64_t last, T* partial) {
    for (int64_t i = first; i < last; ++i) {
      if (a.dw) weight_gradient(a, i, partial);
      if (a.db) bias_gradient(a, i, partial + n);
      if (a.dx) input_gradient(a, i);
      if (a.y) normalise(a, i);
    }
  });
}

}  // namespace
SIMD_KERNEL(layer_norm_fwd, LayerNorm, forward)
SIMD_KERNEL(layer_norm_bwd, LayerNorm, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(layer_norm_fwd, LayerNorm)
SIMD_DISPATCH(layer_norm_bwd, LayerNorm)
}  // namespace kernels
#endif
