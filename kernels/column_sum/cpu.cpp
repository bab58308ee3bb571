#include "kernels/column_sum/column_sum.h"

#include "kernels/row_blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/column_sum/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class T>
void add_columns(const ColumnSum<T>& a) {
  const int64_t n = a.x.columns;
  sum_over_rows(a.x.rows, n, a.sum, [&](int64_t first, int64_t last, T* partial) {
    for (int64_t i = first; i < last; ++i)
      for (int64_t j = 0; j < n; j += kLanes<T>)
        store(partial + j, load(partial + j, n - j) + load(a.x.row(i) + j, n - j), n - j);
  });
}

}  // namespace
SIMD_KERNEL(column_sum, ColumnSum, add_columns)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(column_sum, ColumnSum)
}  // namespace kernels
#endif
