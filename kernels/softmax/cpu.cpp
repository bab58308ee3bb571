// Rows in parallel; sums run over 16 (8) lane partials whatever the SIMD target.
#include "kernels/softmax/softmax.h"

#include "kernels/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/row_max.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class T>
void forward_row(const T* x, T* y, int64_t n) {
  const auto peak = set(row_max(x, n));
  auto partial = zero<T>();
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    const auto e = keep(exp(load(x + j, n - j) - peak), n - j);
    store(y + j, e, n - j);
    partial += e;
  }
  const auto inverse = set(T(1) / sum(partial));
  for (int64_t j = 0; j < n; j += kLanes<T>) store(y + j, load(y + j, n - j) * inverse, n - j);
}

template <class T>
void forward_row_log(const T* x, T* y, int64_t n) {
  const auto peak = set(row_max(x, n));
  auto partial = zero<T>();
  for (int64_t j = 0; j < n; j += kLanes<T>) partial += keep(exp(load(x + j, n - j) - peak), n - j);
  const auto rest = set(T(std::log(double(sum(partial)))));
  for (int64_t j = 0; j < n; j += kLanes<T>) store(y + j, load(x + j, n - j) - peak - rest, n - j);
}

template <class T>
void backward_row(const T* y, const T* dy, T* dx, int64_t n) {
  auto partial = zero<T>();
  for (int64_t j = 0; j < n; j += kLanes<T>) partial = fma(load(dy + j, n - j), load(y + j, n - j), partial);
  const auto pull = set(sum(partial));
  for (int64_t j = 0; j < n; j += kLanes<T>)
    store(dx + j, fma(load(y + j, n - j), load(dy + j, n - j) - pull, load(dx + j, n - j)), n - j);
}

template <class T>
void backward_row_log(const T* y, const T* dy, T* dx, int64_t n) {
  auto partial = zero<T>();
  for (int64_t j = 0; j < n; j += kLanes<T>) partial += load(dy + j, n - j);
  const auto pull = set(sum(partial));
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    const auto d = fnma(exp(load(y + j, n - j)), pull, load(dy + j, n - j));
    store(dx + j, load(dx + j, n - j) + d, n - j);
  }
}

template <class T>
void forward(const Softmax<T>& a) {
  const int64_t n = a.x.columns;
  const auto row = a.logarithm ? forward_row_log<T> : forward_row<T>;
  if (n > 0)
    parallel_blocks(a.x.rows, rows_a_block(n), [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) row(a.x.row(i), a.y.row(i), n);
    });
}

template <class T>
void backward(const Softmax<T>& a) {
  if (!a.dx) return;
  const int64_t n = a.x.columns;
  const auto row = a.logarithm ? backward_row_log<T> : backward_row<T>;
  parallel_blocks(a.x.rows, rows_a_block(n), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) row(a.y.row(i), a.dy.row(i), a.dx.row(i), n);
  });
}

}  // namespace
SIMD_KERNEL(softmax_fwd, Softmax, forward)
SIMD_KERNEL(softmax_bwd, Softmax, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(softmax_fwd, Softmax)
SIMD_DISPATCH(softmax_bwd, Softmax)
}  // namespace kernels
#endif
