#include "framework/ops/affine_scan.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/sequence.h"
#include "kernels/affine_scan/affine_scan.h"

namespace adder::ops {
namespace {

void check_shapes(const Var& a, const Var& x, const Var& h0, const Tensor& resets) {
  const Shapes check{"affine_scan"};
  const auto [batch, length, n] = check("x", x, {"batch", "length", "n"});
  if (length < 1) check.fail("x has length 0, expected at least 1");
  check("a", a, {batch, length, n, n});
  if (h0.defined()) check("h0", h0, {batch, n});
  if (resets.defined()) {
    check("resets", resets, {batch, length});
    if (resets.dtype() != DType::i32)
      check.fail(std::string("resets has dtype ") + name(resets.dtype()) + ", expected int32");
  }
  check.one_dtype({&a, &x, &h0});
}

// [B, L, N, N], dense, as a sequence of matrices.
template <class T>
kernels::Sequence<T> matrices(const Tensor& a) {
  if (!a.defined()) return {};
  return sequence<T>(a.reshape({a.dim(0), a.dim(1), a.dim(2) * a.dim(3)}));
}

// h = A_t h + x a step; backward the adjoint's A_t^T g, and dA_t.
Work work_of(const Tensor& h) {
  const double product = 2 * double(h.size()) * double(h.columns());
  return {.flops = product, .backward_flops = 2 * product};
}

struct Kept {
  Tensor a, h0, resets, h;
};

template <class T>
kernels::AffineScan<T> scan_of(const Kept& k) {
  kernels::AffineScan<T> s{.state = k.h.dim(2), .a = matrices<const T>(k.a)};
  s.h0 = matrix<const T>(k.h0), s.resets = pointer<const int32_t>(k.resets), s.h = sequence<T>(k.h);
  return s;
}

template <class T>
void backward(const Kept& kept, const Adjoints& g) {
  auto s = scan_of<T>(kept);
  const Tensor dh = g.out(0), dlast = g.out(1), da = g.in_dense(0), dh0 = g.in(2), dx = Tensor::like(kept.h);
  s.dh = sequence<const T>(dh), s.dlast = matrix<const T>(dlast), s.g = sequence<T>(dx);
  s.da = matrices<T>(da), s.dh0 = matrix<T>(dh0);
  KERNEL(affine_scan_bwd, T)(kept.h.device(), s);
  g.give(1, dx);
}

}  // namespace

AffineScanResult affine_scan(const Var& a, const Var& x, const Var& h0, const Tensor& resets) {
  check_shapes(a, x, h0, resets);

  return by_dtype(x.dtype(), [&](auto zero) -> AffineScanResult {
    using T = decltype(zero);
    const Kept kept{dense(a.value()), h0.value(), dense(resets), Tensor::like(x.value())};
    const Tensor in = x.value(), last = Tensor::empty({x.dim(0), x.dim(2)}, x.dtype(), x.device());
    auto s = scan_of<T>(kept);
    s.x = sequence<const T>(in), s.last = matrix<T>(last);
    KERNEL(affine_scan_fwd, T)(x.device(), s);
    const auto out = record("affine_scan", {kept.h, last}, {a, x, h0},
                            [kept](const Adjoints& g) { backward<T>(kept, g); }, work_of(kept.h));
    return {out[0], out[1]};
  });
}

}  // namespace adder::ops
