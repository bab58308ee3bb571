// A step by itself, as in decoding. Lanes are state variables here, as h and A lie in memory: over time they are turned into lanes
// of channels first and h back afterwards, which costs a single step more than its arithmetic. Only the sum over the state
// wants channels in lanes: h is turned for it once. The same arithmetic, the same bits.
#include <algorithm>

#include "kernels/parallel.h"
#include "kernels/selective_scan/selective_scan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/selective_scan/one_step.cpp"
#include "hwy/foreach_target.h"
#include "kernels/selective_scan/lanes.h"
#include "kernels/simd.h"
#include "kernels/transpose.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t kTogether = 8;  // blocks of channels that share a task

// `count` channels of sequence b, from `first` on.
struct Block {
  int64_t b, first, count;
};

// h <- exp(dt A) h + B dt u of one channel, dt and x = dt u being numbers.
template <class T>
void update(const SelectiveScan<T>& s, int64_t b, int64_t channel, T dt, T x) {
  const T *A = s.A + channel * s.state, *B = s.B.row(b);
  const int64_t at = (b * s.channels + channel) * s.state;
  const T* before = s.h0 && !(s.resets && s.resets[b]) ? s.h0 + at : nullptr;
  for (int64_t n = 0; n < s.state; n += kLanes<T>) {
    const auto A2 = load(A + n) * set(T(1.442695040888963407)), step = set(dt);
    const bool near = all_below(abs(step * A2), T(125));
    const auto decay = near ? exp2_product<true>(step, A2) : exp2_product<false>(step, A2);
    store(s.last + at + n, fma(decay, before ? load(before + n) : zero<T>(), load(B + n) * set(x)));
  }
}

template <class T>
void step_block(const SelectiveScan<T>& s, const Block& at) {
  T* memory = scratch<T>(size_t((s.state + 2) * kLanes<T>));
  T *dts = memory, *xs = dts + kLanes<T>, *h = xs + kLanes<T>;
  auto dt = load(s.delta.row(at.b) + at.first, at.count) + load_or_zero(s.delta_bias, at.first, at.count);
  if (s.softplus) dt = softplus(dt);
  const auto u = load(s.u.row(at.b) + at.first, at.count);
  store(dts, dt), store(xs, dt * u);
  for (int64_t lane = 0; lane < at.count; ++lane) update(s, at.b, at.first + lane, dts[lane], xs[lane]);

  if (at.count < kLanes<T>) std::fill_n(h, s.state * kLanes<T>, T(0));
  transpose(s.last + (at.b * s.channels + at.first) * s.state, s.state, at.count, s.state, h, kLanes<T>);
  const T* C = s.C.row(at.b);
  FourSums<T> y(load_or_zero(s.D, at.first, at.count) * u);
  for (int64_t n = 0; n < s.state; ++n) y[n] = fma(set(C[n]), load(h + n * kLanes<T>), y[n]);
  auto out = y.total();
  if (s.z) {
    const auto z = load(s.z.row(at.b) + at.first, at.count);
    out = out * (z * sigmoid(z));
  }
  store(s.y.row(at.b) + at.first, out, at.count);
}

template <class T>
void step(const SelectiveScan<T>& s) {
  const int64_t blocks = (s.channels + kLanes<T> - 1) / kLanes<T>;
  parallel_blocks(s.batch * blocks, kTogether, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % blocks * kLanes<T>;
      step_block(s, Block{i / blocks, first, std::min<int64_t>(kLanes<T>, s.channels - first)});
    }
  });
}

}  // namespace
SIMD_KERNEL(selective_scan_step, SelectiveScan, step)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(selective_scan_step, SelectiveScan)
}  // namespace kernels
#endif
