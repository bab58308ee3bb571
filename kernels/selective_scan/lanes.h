// What a step by itself shares with a stretch of steps. Include after kernels/simd.h, inside a kernel file.
#if defined(KERNELS_SELECTIVE_SCAN_LANES_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_SELECTIVE_SCAN_LANES_H_
#undef KERNELS_SELECTIVE_SCAN_LANES_H_
#else
#define KERNELS_SELECTIVE_SCAN_LANES_H_
#endif

#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class T>
HWY_INLINE Vec<T> load_or_zero(const T* p, int64_t first, int64_t count) {
  return p ? load(p + first, count) : zero<T>();
}

// Four sums side by side: a single chain would be the longest thing in a step.
template <class T>
struct FourSums {
  Vec<T> part[4];
  explicit FourSums(const Vec<T>& first) : part{first, zero<T>(), zero<T>(), zero<T>()} {}
  HWY_INLINE Vec<T>& operator[](int64_t n) { return part[n % 4]; }
  HWY_INLINE Vec<T> total() const { return (part[0] + part[1]) + (part[2] + part[3]); }
};

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
