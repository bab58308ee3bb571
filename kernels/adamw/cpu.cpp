// Blocks in parallel; every element by itself, so nothing depends on where a block ends.
#include "kernels/adamw/adamw.h"

#include <algorithm>
#include <vector>

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

constexpr int64_t kBlock = 8192;  // four arrays of it fit a core's second-level cache
constexpr int64_t kTaskBlocks = 8;

template <class T>
void step_parts(const AdamWParts<T>& all) {
  std::vector<int64_t> ends;  // of each part's blocks, in a row
  for (int64_t i = 0; i < all.count; ++i) ends.push_back((i ? ends.back() : 0) + (all.parts[i].n + kBlock - 1) / kBlock);
  const int64_t blocks = ends.empty() ? 0 : ends.back();
  parallel_blocks(blocks, kTaskBlocks, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const size_t part = size_t(std::upper_bound(ends.begin(), ends.end(), block) - ends.begin());
      const AdamW<T>& a = all.parts[part];
      const int64_t first = (block - (part ? ends[part - 1] : 0)) * kBlock, last = std::min(a.n, first + kBlock);
      for (int64_t i = first; i < last; i += kLanes<T>) update(a, i, last - i);
    }
  });
}

template <class T>
void step(const AdamW<T>& a) { step_parts<T>({&a, 1}); }

}  // namespace
SIMD_KERNEL(adamw, AdamW, step)
SIMD_KERNEL(adamw_parts, AdamWParts, step_parts)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(adamw, AdamW)
SIMD_DISPATCH(adamw_parts, AdamWParts)
}  // namespace kernels
#endif
