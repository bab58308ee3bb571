// Blocks in parallel; every element by itself, so nothing depends on where a block ends.
#include "kernels/adamw/adamw.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/adamw/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class T>
HWY_INLINE void update(const AdamW<T>& a, int64_t i, int64_t left) {
  const auto g = a.grad ? load(a.grad + i, left) * set(a.gradient_scale) : zero<T>();
  const auto p = load(a.p + i, left);
  const auto m = fma(load(a.m + i, left), set(a.beta1), g * set(a.one_less_beta1));
  const auto v = fma(load(a.v + i, left), set(a.beta2), g * g * set(a.one_less_beta2));
  const auto direction = m / (sqrt(v * set(a.inverse_correction2)) + set(a.eps));
  // Both changes are summed before p is rounded, once.
  store(a.p + i, p - fma(p, set(a.decay), direction * set(a.rate)), left);
  store(a.m + i, m, left);
  store(a.v + i, v, left);
}

template <class T>
void step(const AdamW<T>& a) {
  constexpr int64_t kBlock = 8192;  // four arrays of it fit a core's second-level cache
  parallel_blocks(a.n, kBlock, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i += kLanes<T>) update(a, i, last - i);
  });
}

}  // namespace
SIMD_KERNEL(adamw, AdamW, step)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(adamw, AdamW)
}  // namespace kernels
#endif
