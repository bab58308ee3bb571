#include "framework/ops/dense_scan.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/sequence.h"
#include "kernels/dense_scan/dense_scan.h"

namespace adder::ops {
namespace {

void check_shapes(const Var& a, const Var& x, const Var& h0, const Tensor& resets) {
  const Shapes check{"dense_scan"};
  const auto [batch, length, state] = check("x", x, {"batch", "length", "state"});
  if (length < 1) check.fail("x has length 0, expected at least 1");
  check("a", a, {state, state});
  if (h0.defined()) check("h0", h0, {batch, state});
  if (resets.defined()) {
    check("resets", resets, {batch, length});
    if (resets.dtype() != DType::i32)
      check.fail(std::string("resets has dtype ") + name(resets.dtype()) + ", expected int32");
  }
  check.one_dtype({&a, &x, &h0});
}

// h = A h + x a step; backward the adjoint's A^T g, and dA.
Work work_of(const Tensor& h) {
  const double product = 2 * double(h.size()) * double(h.columns());
  return {.flops = product, .backward_flops = 2 * product};
}

struct Kept {
  Tensor a, h0, resets, h;
};

template <class T>
kernels::DenseScan<T> scan_of(const Kept& k) {
  kernels::DenseScan<T> s{.a = matrix<const T>(k.a)};
  s.h0 = matrix<const T>(k.h0), s.resets = pointer<const int32_t>(k.resets), s.h = sequence<T>(k.h);
  return s;
}

template <class T>
void backward(const Kept& kept, const Adjoints& g) {
  auto s = scan_of<T>(kept);
  const Tensor dh = g.out(0), dlast = g.out(1), da = g.in(0), dh0 = g.in(2), dx = Tensor::like(kept.h);
  s.dh = sequence<const T>(dh), s.dlast = matrix<const T>(dlast), s.g = sequence<T>(dx);
  s.da = matrix<T>(da), s.dh0 = matrix<T>(dh0);
  KERNEL(dense_scan_bwd, T)(kept.h.device(), s);
  g.give(1, dx);
}

}  // namespace

DenseScanResult dense_scan(const Var& a, const Var& x, const Var& h0, const Tensor& resets) {
  check_shapes(a, x, h0, resets);

  return by_dtype(x.dtype(), [&](auto zero) -> DenseScanResult {
    using T = decltype(zero);
    const Kept kept{a.value(), h0.value(), dense(resets), Tensor::like(x.value())};
    const Tensor in = x.value(), last = Tensor::empty({x.dim(0), x.dim(2)}, x.dtype(), x.device());
    auto s = scan_of<T>(kept);
    s.x = sequence<const T>(in), s.last = matrix<T>(last);
    KERNEL(dense_scan_fwd, T)(x.device(), s);
    const auto out = record("dense_scan", {kept.h, last}, {a, x, h0},
                            [kept](const Adjoints& g) { backward<T>(kept, g); }, work_of(kept.h));
    return {out[0], out[1]};
  });
}

}  // namespace adder::ops
