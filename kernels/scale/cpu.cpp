#include "kernels/scale/scale.h"

#include "kernels/elementwise.h"
#include "kernels/row_blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/scale/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class T>
HWY_INLINE Vec<T> factor(const Scale<T>& a, int64_t row, int64_t column, int64_t n) {
  return a.by_row ? set(a.s[row]) : load(a.s + column, n);
}

template <class T>
void forward(const Scale<T>& a) {
  for_each_run(a.x.rows, a.x.columns, false, [&](int64_t row, int64_t first, int64_t n) {
    const T* x = a.x.row(row) + first;
    T* y = a.y.row(row) + first;
    for (int64_t j = 0; j < n; j += kLanes<T>)
      store(y + j, load(x + j, n - j) * factor(a, row, first + j, n - j), n - j);
  });
}

template <class T>
void add_to_x(const Scale<T>& a) {
  for_each_run(a.dy.rows, a.dy.columns, false, [&](int64_t row, int64_t first, int64_t n) {
    const T* dy = a.dy.row(row) + first;
    T* dx = a.dx.row(row) + first;
    for (int64_t j = 0; j < n; j += kLanes<T>)
      store(dx + j, fma(load(dy + j, n - j), factor(a, row, first + j, n - j), load(dx + j, n - j)), n - j);
  });
}

template <class T>
void add_to_columns(const Scale<T>& a) {
  const int64_t n = a.x.columns;
  sum_over_rows(a.x.rows, n, a.ds, [&](int64_t first, int64_t last, T* partial) {
    for (int64_t r = first; r < last; ++r)
      for (int64_t j = 0; j < n; j += kLanes<T>)
        store(partial + j,
              fma(load(a.dy.row(r) + j, n - j), load(a.x.row(r) + j, n - j), load(partial + j, n - j)), n - j);
  });
}

template <class T>
void add_to_rows(const Scale<T>& a) {
  const int64_t n = a.x.columns;
  parallel_blocks(a.x.rows, rows_a_block(n), [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      auto total = zero<T>();
      for (int64_t j = 0; j < n; j += kLanes<T>)
        total = fma(load(a.dy.row(r) + j, n - j), load(a.x.row(r) + j, n - j), total);
      a.ds[r] += sum(total);
    }
  });
}

template <class T>
void backward(const Scale<T>& a) {
  if (a.dx) add_to_x(a);
  if (a.ds) a.by_row ? add_to_rows(a) : add_to_columns(a);
}

}  // namespace
SIMD_KERNEL(scale_fwd, Scale, forward)
SIMD_KERNEL(scale_bwd, Scale, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(scale_fwd, Scale)
SIMD_DISPATCH(scale_bwd, Scale)
}  // namespace kernels
#endif
