#include "tests/support/simd_probe.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/support/simd_probe.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class T, class F>
void each(const Probe<T>& a, F f) {
  for (int64_t j = 0; j < a.n; j += kLanes<T>) store(a.y + j, f(load(a.x + j, a.n - j)), a.n - j);
}

template <class T>
void run(const Probe<T>& a) {
  switch (a.kind) {
    case ProbeKind::exp: return each(a, [](const Vec<T>& x) { return exp(x); });
    case ProbeKind::exp2: return each(a, [](const Vec<T>& x) { return exp2(x); });
    case ProbeKind::log1p_unit: return each(a, [](const Vec<T>& x) { return log1p_unit(x); });
    case ProbeKind::sigmoid: return each(a, [](const Vec<T>& x) { return sigmoid(x); });
    case ProbeKind::softplus: return each(a, [](const Vec<T>& x) { return softplus(x); });
    case ProbeKind::tanh: return each(a, [](const Vec<T>& x) { return tanh(x); });
    case ProbeKind::keep: return store(a.y, keep(load(a.x), a.n));
  }
}

template <class T>
void reduce(const ProbeReduce<T>& a) {
  *a.sum = sum(load(a.x));
  *a.maximum = maximum(load(a.x));
}

}  // namespace
SIMD_KERNEL(probe, Probe, run)
SIMD_KERNEL(probe_reduce, ProbeReduce, reduce)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(probe, Probe)
SIMD_DISPATCH(probe_reduce, ProbeReduce)
}  // namespace kernels
#endif
