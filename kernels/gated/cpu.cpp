#include "kernels/gated/gated.h"

#include "kernels/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gated/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

// g(x) and g'(x)
template <GateKind kKind, class T>
struct Gate {
  Vec<T> value, slope;
  HWY_INLINE explicit Gate(const Vec<T>& x) {
    const Logistic<T> at(x);
    if constexpr (kKind == GateKind::silu) {
      value = x * at.s;
      slope = fma(value, at.rest, at.s);
    } else {
      value = at.s;
      slope = at.s * at.rest;
    }
  }
};

template <class F>
void with_kind(GateKind kind, F f) {
  if (kind == GateKind::silu) f(std::integral_constant<GateKind, GateKind::silu>{});
  else f(std::integral_constant<GateKind, GateKind::sigmoid>{});
}

template <GateKind kKind, class T>
void forward_run(const T* gate, const T* up, T* y, int64_t n) {
  for (int64_t j = 0; j < n; j += kLanes<T>)
    store(y + j, Gate<kKind, T>(load(gate + j, n - j)).value * load(up + j, n - j), n - j);
}

template <GateKind kKind, bool kOverwrite, class T>
void backward_run(const T* gate, const T* up, const T* dy, T* dgate, T* dup, T* y, int64_t n) {
  const auto before = [&](const T* sum, int64_t j) { return kOverwrite ? zero<T>() : load(sum + j, n - j); };
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    if (y == gate) fetch_to_write(gate + j);
    const Gate<kKind, T> g(load(gate + j, n - j));
    const auto d = load(dy + j, n - j), value = load(up + j, n - j);
    if (y) store(y + j, g.value * value, n - j);
    if (dgate) store(dgate + j, fma(d * value, g.slope, before(dgate, j)), n - j);
    if (dup) store(dup + j, fma(d, g.value, before(dup, j)), n - j);
  }
}

template <class T>
void forward(const Gated<T>& a) {
  const bool dense = a.gate.dense() && a.up.dense() && a.y.dense();
  with_kind(a.kind, [&](auto kind) {
    for_each_run(a.gate.rows, a.gate.columns, dense, [&](int64_t row, int64_t first, int64_t n) {
      forward_run<kind()>(a.gate.row(row) + first, a.up.row(row) + first, a.y.row(row) + first, n);
    });
  });
}

template <class T>
void backward(const Gated<T>& a) {
  const bool dense = a.gate.dense() && a.up.dense() && a.dy.dense() && a.dgate.dense() && a.dup.dense() && a.y.dense();
  with_kind(a.kind, [&](auto kind) {
    for_each_run(a.gate.rows, a.gate.columns, dense, [&](int64_t row, int64_t first, int64_t n) {
      T* dgate = a.dgate ? a.dgate.row(row) + first : nullptr;
      T* dup = a.dup ? a.dup.row(row) + first : nullptr;
      T* y = a.y ? a.y.row(row) + first : nullptr;
      const auto run = a.overwrite ? backward_run<kind(), true, T> : backward_run<kind(), false, T>;
      run(a.gate.row(row) + first, a.up.row(row) + first, a.dy.row(row) + first, dgate, dup, y, n);
    });
  });
}

}  // namespace
SIMD_KERNEL(gated_fwd, Gated, forward)
SIMD_KERNEL(gated_bwd, Gated, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(gated_fwd, Gated)
SIMD_DISPATCH(gated_bwd, Gated)
}  // namespace kernels
#endif
