// Every loop ends in a store that the compiler can't leave out.
#include "kernels/peak/peak.h"

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/peak/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

constexpr int kChains = 10;          // two a cycle, each four or five cycles long; with two constants, 12 of 16 registers
constexpr int64_t kInCache = 2048;   // elements
constexpr int64_t kRun = 1 << 15;    // elements that one task moves at a time

template <class T>
void keep_alive(const Native<T>& x) {
  alignas(64) T lane[kLanes<T>];
  hn::Store(x, Tag<T>(), lane);
  volatile T sink = lane[0];
  (void)sink;
}

template <class T>
void fma_peak(const Peak<T>& a) {
  parallel_for(a.tasks, [&](int64_t task) {
    Native<T> c[kChains];
    const auto m = hn::Set(Tag<T>(), T(0.999)), s = hn::Set(Tag<T>(), T(0.001) * T(task + 1));
    for (int i = 0; i < kChains; ++i) c[i] = hn::Set(Tag<T>(), T(i));
    for (int64_t round = 0; round < a.rounds; ++round)
#pragma GCC unroll 10
      for (int i = 0; i < kChains; ++i) c[i] = hn::MulAdd(c[i], m, s);
    for (int i = 1; i < kChains; ++i) c[0] = hn::Add(c[0], c[i]);
    keep_alive<T>(c[0]);
  });
  *a.work = 2.0 * double(a.tasks) * double(a.rounds) * kChains * kNativeLanes<T>;
}

template <class T>
void exp_peak(const Peak<T>& a) {
  parallel_for(a.tasks, [&](int64_t) {
    T* x = scratch<T>(2 * kInCache);
    T* y = x + kInCache;
    for (int64_t i = 0; i < kInCache; ++i) x[i] = T(-8) + T(i % 16);
    for (int64_t round = 0; round < a.rounds; ++round)
      for (int64_t i = 0; i < kInCache; i += 2 * kLanes<T>) {
        store(y + i, exp2_product<true>(load(x + i), set(T(1.4426950408889634))));
        store(y + i + kLanes<T>, exp2_product<true>(load(x + i + kLanes<T>), set(T(1.4426950408889634))));
      }
    volatile T sink = y[a.rounds % kInCache];
    (void)sink;
  });
  *a.work = double(a.tasks) * double(a.rounds) * double(kInCache);
}

// f(first, last) over all elements, a run at a time.
template <class T, class F>
void over_memory(const Peak<T>& a, F f) {
  parallel_for(a.tasks, [&](int64_t task) {
    const int64_t runs = (a.n + kRun - 1) / kRun, first = runs * task / a.tasks, last = runs * (task + 1) / a.tasks;
    for (int64_t run = first; run < last; ++run) f(run * kRun, run * kRun + kRun < a.n ? run * kRun + kRun : a.n);
  });
}

template <class T>
void read_peak(const Peak<T>& a) {
  over_memory(a, [&](int64_t i, int64_t last) {
    const Tag<T> d;
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    constexpr int kStep = kNativeLanes<T>;
    for (; i + 4 * kStep <= last; i += 4 * kStep) {
      s0 = hn::Add(s0, hn::Load(d, a.x + i)), s1 = hn::Add(s1, hn::Load(d, a.x + i + kStep));
      s2 = hn::Add(s2, hn::Load(d, a.x + i + 2 * kStep)), s3 = hn::Add(s3, hn::Load(d, a.x + i + 3 * kStep));
    }
    keep_alive<T>(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)));
  });
  *a.work = double(a.n) * sizeof(T);
}

template <class T>
void copy_peak(const Peak<T>& a) {
  over_memory(a, [&](int64_t i, int64_t last) {
    for (; i < last; i += kNativeLanes<T>) hn::Stream(hn::Load(Tag<T>(), a.x + i), Tag<T>(), a.y + i);
    hwy::FlushStream();
  });
  *a.work = 2.0 * double(a.n) * sizeof(T);
}

template <class T>
void triad_peak(const Peak<T>& a) {
  over_memory(a, [&](int64_t i, int64_t last) {
    const auto s = hn::Set(Tag<T>(), T(0.5));
    for (; i < last; i += kNativeLanes<T>)
      hn::Stream(hn::MulAdd(s, hn::Load(Tag<T>(), a.z + i), hn::Load(Tag<T>(), a.x + i)), Tag<T>(), a.y + i);
    hwy::FlushStream();
  });
  *a.work = 3.0 * double(a.n) * sizeof(T);
}

}  // namespace
SIMD_KERNEL(peak_fma, Peak, fma_peak)
SIMD_KERNEL(peak_exp, Peak, exp_peak)
SIMD_KERNEL(peak_read, Peak, read_peak)
SIMD_KERNEL(peak_copy, Peak, copy_peak)
SIMD_KERNEL(peak_triad, Peak, triad_peak)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(peak_fma, Peak)
SIMD_DISPATCH(peak_exp, Peak)
SIMD_DISPATCH(peak_read, Peak)
SIMD_DISPATCH(peak_copy, Peak)
SIMD_DISPATCH(peak_triad, Peak)
}  // namespace kernels
#endif
