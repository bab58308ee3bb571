// Blocks in parallel, each with a fixed number of partial sums; the blocks' sums are added in order.
#include <vector>

#include "kernels/parallel.h"
#include "kernels/sum_squares/sum_squares.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/sum_squares/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t kBlock = 16384;

HWY_INLINE Vec<double> widen(const double* x, int64_t n) { return load(x, n); }
HWY_INLINE Vec<double> widen(const float* x, int64_t n) {
  constexpr int kStep = kNativeLanes<double>;
  const hn::Rebind<float, Tag<double>> narrow;
  alignas(64) float lane[kLanes<double>] = {};
  if (HWY_UNLIKELY(n < kLanes<double>)) {
    std::memcpy(lane, x, size_t(n) * sizeof(float));
    x = lane;
  }
  Vec<double> r;
  for (int i = 0; i < Vec<double>::kParts; ++i)
    r.part[i] = hn::PromoteTo(Tag<double>(), hn::LoadU(narrow, x + i * kStep));
  return r;
}

template <class T>
double block_sum(const T* x, int64_t n) {
  constexpr int64_t kWide = kLanes<double>;
  Vec<double> s[4] = {zero<double>(), zero<double>(), zero<double>(),
                      zero<double>()};  // hides the adder's latency
  int64_t i = 0;
  for (; i + 4 * kWide <= n; i += 4 * kWide)
    for (int k = 0; k < 4; ++k) {
      const auto v = widen(x + i + k * kWide, kWide);
      s[k] = fma(v, v, s[k]);
    }
  for (; i < n; i += kWide) {
    const auto v = widen(x + i, n - i);
    s[0] = fma(v, v, s[0]);
  }
  return sum((s[0] + s[1]) + (s[2] + s[3]));
}

template <class T>
void sum_of_squares(const SumSquares<T>& a) {
  std::vector<double> partials(size_t((a.n + kBlock - 1) / kBlock));
  parallel_for(int64_t(partials.size()), [&](int64_t b) {
    const int64_t first = b * kBlock, n = a.n - first < kBlock ? a.n - first : kBlock;
    partials[size_t(b)] = block_sum(a.x + first, n);
  });
  for (double partial : partials) *a.sum += partial;
}

}  // namespace
SIMD_KERNEL(sum_squares, SumSquares, sum_of_squares)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(sum_squares, SumSquares)
}  // namespace kernels
#endif
