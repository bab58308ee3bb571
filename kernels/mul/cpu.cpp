#include "kernels/mul/mul.h"

#include "kernels/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/mul/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class T>
void forward(const Mul<T>& s) {
  const bool dense = s.a.dense() && s.b.dense() && s.y.dense();
  for_each_run(s.a.rows, s.a.columns, dense, [&](int64_t row, int64_t first, int64_t n) {
    const T *a = s.a.row(row) + first, *b = s.b.row(row) + first;
    T* y = s.y.row(row) + first;
    for (int64_t j = 0; j < n; j += kLanes<T>) store(y + j, load(a + j, n - j) * load(b + j, n - j), n - j);
  });
}

// sum += dy * factor
template <class T>
void add_product(const Matrix<const T>& dy, const Matrix<const T>& factor, const Matrix<T>& sum) {
  if (!sum) return;
  const bool dense = dy.dense() && factor.dense() && sum.dense();
  for_each_run(dy.rows, dy.columns, dense, [&](int64_t row, int64_t first, int64_t n) {
    const T *d = dy.row(row) + first, *f = factor.row(row) + first;
    T* out = sum.row(row) + first;
    for (int64_t j = 0; j < n; j += kLanes<T>)
      store(out + j, fma(load(d + j, n - j), load(f + j, n - j), load(out + j, n - j)), n - j);
  });
}

template <class T>
void backward(const Mul<T>& s) {
  add_product(s.dy, s.b, s.da);
  add_product(s.dy, s.a, s.db);
}

}  // namespace
SIMD_KERNEL(mul_fwd, Mul, forward)
SIMD_KERNEL(mul_bwd, Mul, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(mul_fwd, Mul)
SIMD_DISPATCH(mul_bwd, Mul)
}  // namespace kernels
#endif
