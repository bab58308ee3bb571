#include "framework/ops/causal_conv1d.h"

#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/sequence.h"
#include "kernels/causal_conv1d/causal_conv1d.h"

namespace adder::ops {
namespace {

int64_t check_shapes(const Var& x, const Var& w, const Var& bias, const Var& x0, const Tensor& resets) {
  const Shapes check{"causal_conv1d"};
  const auto [batch, length, channels] = check("x", x, {"batch", "length", "channels"});
  const int64_t taps = check("w", w, {channels, "taps"})[1];
  if (length < 1 || taps < 1)
    check.fail("x has length " + std::to_string(length) + " and w " + std::to_string(taps) +
               " taps, expected at least 1");
  if (bias.defined()) check("bias", bias, {channels});
  if (x0.defined()) check("x0", x0, {batch, taps - 1, channels});
  if (resets.defined()) {
    check("resets", resets, {batch, length});
    if (resets.dtype() != DType::i32)
      check.fail(std::string("resets has dtype ") + name(resets.dtype()) + ", expected int32");
  }
  check.one_dtype({&x, &w, &bias, &x0});
  return taps;
}

// A multiply-add a tap; backward, where silu's argument is computed again, dx and dw.
Work work_of(const Tensor& x, int64_t taps, bool silu) {
  const double product = 2 * double(x.size() * taps), exps = silu ? double(x.size()) : 0;
  return {.flops = product, .backward_flops = (silu ? 3 : 2) * product, .exps = exps, .backward_exps = exps};
}

}  // namespace

ConvResult causal_conv1d(const Var& x, const Var& w, const Var& bias, const Var& x0, const Tensor& resets,
                         bool silu) {
  const int64_t taps = check_shapes(x, w, bias, x0, resets);

  return by_dtype(x.dtype(), [&](auto zero) -> ConvResult {
    using T = decltype(zero);
    Tensor in = x.value(), weight = w.value(), shift = bias.value(), before = x0.value();
    Tensor starts = resets.defined() && !resets.contiguous() ? resets.clone() : resets;
    const Tensor y = Tensor::like(in),
                 last = Tensor::empty({x.dim(0), taps - 1, x.dim(2)}, x.dtype(), x.device());
    kernels::CausalConv1d<T> a{.x = sequence<const T>(in), .w = matrix<const T>(weight)};
    a.bias = pointer<const T>(shift), a.x0 = sequence<const T>(before),
    a.resets = pointer<const int32_t>(starts);
    a.silu = silu, a.y = sequence<T>(y), a.last = sequence<T>(last);
    KERNEL(causal_conv1d_fwd, T)(x.device(), a);
    const auto out = record("causal_conv1d", {y, last}, {x, w, bias, x0},
                            [a, in = std::move(in), weight = std::move(weight), shift = std::move(shift),
                             before = std::move(before), starts = std::move(starts)](const Adjoints& g) {
      auto b = a;
      b.overwrite_dx = g.begin(0);
      const Tensor dy = g.out(0), dlast = g.out(1), dx = g.in(0), dw = g.in(1), dbias = g.in(2), dx0 = g.in(3);
      b.dy = sequence<const T>(dy), b.dlast = sequence<const T>(dlast);
      b.dx = sequence<T>(dx), b.dw = matrix<T>(dw), b.dbias = pointer<T>(dbias), b.dx0 = sequence<T>(dx0);
      KERNEL(causal_conv1d_bwd, T)(in.device(), b);
    }, work_of(x.value(), taps, silu));
    return {out[0], out[1]};
  });
}

}  // namespace adder::ops
