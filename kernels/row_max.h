// The largest element of a row, for softmax and its kin. Include after kernels/simd.h, inside a kernel file.
#if defined(KERNELS_ROW_MAX_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_ROW_MAX_H_
#undef KERNELS_ROW_MAX_H_
#else
#define KERNELS_ROW_MAX_H_
#endif

#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {

// n >= 1. The last vector overlaps the one before it, so that no lane is empty.
template <class T>
HWY_INLINE T row_max(const T* x, int64_t n) {
  if (n < kLanes<T>) {
    T best = x[0];
    for (int64_t j = 1; j < n; ++j)
      if (x[j] > best) best = x[j];
    return best;
  }
  auto best = load(x);
  for (int64_t j = kLanes<T>; j < n; j += kLanes<T>)
    best = max(best, load(x + (j + kLanes<T> <= n ? j : n - kLanes<T>)));
  return maximum(best);
}

}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
