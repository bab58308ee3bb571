// Rows in parallel; the sum of squares runs over 16 (8) lane partials whatever the SIMD target.
#include "kernels/rms_norm/rms_norm.h"

#include "kernels/row_blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rms_norm/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class T>
void normalise(const RmsNorm<T>& a, int64_t i) {
  const int64_t n = a.x.columns;
  const T* x = a.x.row(i);
  T* y = a.y.row(i);
  const auto r = set(a.r[i]);
  for (int64_t j = 0; j < n; j += kLanes<T>) store(y + j, load(x + j, n - j) * r * load(a.w + j, n - j), n - j);
}

template <class T>
void forward(const RmsNorm<T>& a) {
  const int64_t n = a.x.columns;
  parallel_blocks(a.x.rows, kRowBlock, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const T* x = a.x.row(i);
      auto squares = zero<T>();
      for (int64_t j = 0; j < n; j += kLanes<T>) {
        const auto v = load(x + j, n - j);
        squares = fma(v, v, squares);
      }
      a.r[i] = T(1) / std::sqrt(sum(squares) / T(n) + a.eps);
      normalise(a, i);
    }
  });
}

// With g = dy * w:  dx = r g - x r^3 mean_j(g x),  dw = sum_i dy x r
template <class T>
void input_gradient(const RmsNorm<T>& a, int64_t i) {
  const int64_t n = a.x.columns;
  const T *x = a.x.row(i), *dy = a.dy.row(i), *before = a.before ? a.before.row(i) : nullptr;
  T* dx = a.dx.row(i);
  auto dot = zero<T>();
  for (int64_t j = 0; j < n; j += kLanes<T>)
    dot = fma(load(dy + j, n - j) * load(a.w + j, n - j), load(x + j, n - j), dot);
  const T r = a.r[i], pull = sum(dot) / T(n) * r * r * r;
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    const auto g = load(dy + j, n - j) * load(a.w + j, n - j);
    const auto d = fnma(load(x + j, n - j), set(pull), g * set(r));
    store(dx + j, (before ? load(before + j, n - j) : zero<T>()) + d, n - j);
  }
}

template <class T>
void weight_gradient(const RmsNorm<T>& a, int64_t i, T* dw) {
  const int64_t n = a.x.columns;
  const T *x = a.x.row(i), *dy = a.dy.row(i);
  for (int64_t j = 0; j < n; j += kLanes<T>)
    store(dw + j, fma(load(dy + j, n - j) * set(a.r[i]), load(x + j, n - j), load(dw + j, n - j)), n - j);
}

// All of it while a row is in the first-level cache.
template <class T>
void backward(const RmsNorm<T>& a) {
  sum_over_rows(a.x.rows, a.x.columns, a.dw, [&](int64_t first, int64_t last, T* partial) {
    for (int64_t i = first; i < last; ++i) {
      if (a.dw) weight_gradient(a, i, partial);
      if (a.dx) input_gradient(a, i);
      if (a.y) normalise(a, i);
    }
  });
}

}  // namespace
SIMD_KERNEL(rms_norm_fwd, RmsNorm, forward)
SIMD_KERNEL(rms_norm_bwd, RmsNorm, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(rms_norm_fwd, RmsNorm)
SIMD_DISPATCH(rms_norm_bwd, RmsNorm)
}  // namespace kernels
#endif
