// Blocks in parallel; every element by itself, so nothing depends on where a block ends.
#include "kernels/lion/lion.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/lion/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class T>
HWY_INLINE Vec<T> sign(const Vec<T>& x) {
  const auto none = zero<T>();
  return if_greater(x, none, set(T(1)), if_greater(none, x, set(T(-1)), none));
}

template <class T>
HWY_INLINE void update(const Lion<T>& a, int64_t i, int64_t left) {
  const auto g = a.grad ? load(a.grad + i, left) * set(a.gradient_scale) : zero<T>();
  const auto p = load(a.p + i, left), m = load(a.m + i, left);
  const auto u = sign(fma(m, set(a.beta1), g * set(a.one_less_beta1)));
  // Both changes are summed before p is rounded, once.
  store(a.p + i, p - fma(p, set(a.decay), u * set(a.rate)), left);
  store(a.m + i, fma(m, set(a.beta2), g * set(a.one_less_beta2)), left);
}

template <class T>
void step(const Lion<T>& a) {
  constexpr int64_t kBlock = 8192;  // three arrays of it fit a core's second-level cache
  parallel_blocks(a.n, kBlock, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i += kLanes<T>) update(a, i, last - i);
  });
}

}  // namespace
SIMD_KERNEL(lion, Lion, step)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(lion, Lion)
}  // namespace kernels
#endif
