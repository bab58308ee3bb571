// Blocks in parallel; every element by itself, so nothing depends on where a block ends.
#include "kernels/parallel.h"
#include "kernels/sgd/sgd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/sgd/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class T>
HWY_INLINE void update(const Sgd<T>& a, int64_t i, int64_t left) {
  const auto p = load(a.p + i, left);
  const auto grad = a.grad ? load(a.grad + i, left) * set(a.gradient_scale) : zero<T>();
  const auto g = fma(p, set(a.weight_decay), grad);
  auto d = g;
  if (a.buffer) {
    const auto b = fma(load(a.buffer + i, left), set(a.momentum), g);
    d = a.nesterov ? fma(b, set(a.momentum), g) : b;
    store(a.buffer + i, b, left);
  }
  store(a.p + i, fnma(d, set(a.lr), p), left);
}

template <class T>
void step(const Sgd<T>& a) {
  constexpr int64_t kBlock = 8192;  // three arrays of it fit a core's second-level cache
  parallel_blocks(a.n, kBlock, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i += kLanes<T>) update(a, i, last - i);
  });
}

}  // namespace
SIMD_KERNEL(sgd, Sgd, step)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(sgd, Sgd)
}  // namespace kernels
#endif
