#include "kernels/add/add.h"

#include "kernels/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/add/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class T>
void forward(const Add<T>& s) {
  const bool dense = s.a.dense() && s.b.dense() && s.y.dense();
  for_each_run(s.a.rows, s.a.columns, dense, [&](int64_t row, int64_t first, int64_t n) {
    const T *a = s.a.row(row) + first, *b = s.b.row(row) + first;
    T* y = s.y.row(row) + first;
    for (int64_t j = 0; j < n; j += kLanes<T>) store(y + j, load(a + j, n - j) + load(b + j, n - j), n - j);
  });
}

}  // namespace
SIMD_KERNEL(add_fwd, Add, forward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(add_fwd, Add)
}  // namespace kernels
#endif
