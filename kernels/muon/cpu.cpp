// Blocks in parallel; every element by itself, so nothing depends on where a block ends.
#include "kernels/muon/muon.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/muon/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t kBlock = 8192;  // three arrays of it fit a core's second-level cache

template <class T>
void gather(const Muon<T>& a) {
  parallel_blocks(a.n, kBlock, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i += kLanes<T>) {
      const int64_t left = last - i;
      const auto g = a.grad ? load(a.grad + i, left) * set(a.gradient_scale) : zero<T>();
      const auto fresh = g * set(a.one_less_momentum);
      const auto m = fma(load(a.m + i, left), set(a.momentum), fresh);
      store(a.m + i, m, left);
      store(a.u + i, fma(m, set(a.momentum), fresh), left);
    }
  });
}

template <class T>
void apply(const Muon<T>& a) {
  parallel_blocks(a.n, kBlock, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i += kLanes<T>) {
      const auto p = load(a.p + i, last - i), u = load(a.u + i, last - i);
      // Both changes are summed before p is rounded, once.
      store(a.p + i, p - fma(p, set(a.decay), u * set(a.rate)), last - i);
    }
  });
}

}  // namespace
SIMD_KERNEL(muon_momentum, Muon, gather)
SIMD_KERNEL(muon_update, Muon, apply)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(muon_momentum, Muon)
SIMD_DISPATCH(muon_update, Muon)
}  // namespace kernels
#endif
