#include "framework/ops/min_gru.h"

#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/sequence.h"

namespace adder::ops {
namespace {

void check_shapes(const Var& k, const Var& v, const Var& h0, const Tensor& resets) {
  const Shapes check{"min_gru"};
  const auto [batch, length, channels] = check("k", k, {"batch", "length", "channels"});
  check("v", v, {batch, length, channels});
  if (length < 1) check.fail("k has length 0, expected at least 1");
  if (h0.defined()) check("h0", h0, {batch, channels});
  if (resets.defined()) {
    check("resets", resets, {batch, length});
    if (resets.dtype() != DType::i32)
      check.fail(std::string("resets has dtype ") + name(resets.dtype()) + ", expected int32");
  }
  check.one_dtype({&k, &v, &h0});
}

}  // namespace

MinGruResult min_gru(const Var& k, const Var& v, const Var& h0, const Tensor& resets, Candidate candidate) {
  check_shapes(k, v, h0, resets);

  return by_dtype(k.dtype(), [&](auto zero) -> MinGruResult {
    using T = decltype(zero);
    Tensor gate = k.value(), input = v.value(), before = h0.value(), starts = dense(resets);
    const Tensor h = Tensor::like(gate), last = Tensor::empty({k.dim(0), k.dim(2)}, k.dtype(), k.device());
    kernels::MinGru<T> a{.k = sequence<const T>(gate), .v = sequence<const T>(input)};
    a.h0 = matrix<const T>(before), a.resets = pointer<const int32_t>(starts), a.candidate = candidate;
    a.h = sequence<T>(h), a.last = matrix<T>(last);
    KERNEL(min_gru_fwd, T)(k.device(), a);
    const auto out = record("min_gru", {h, last}, {k, v, h0},
                            [a, gate = std::move(gate), input = std::move(input), before = std::move(before),
                             starts = std::move(starts), h](const Adjoints& g) {
      auto b = a;
      b.overwrite = g.begin_together({0, 1});
      const Tensor dh = g.out(0), dlast = g.out(1), dk = g.in(0), dv = g.in(1), dh0 = g.in(2);
      b.dh = sequence<const T>(dh), b.dlast = matrix<const T>(dlast);
      b.dk = sequence<T>(dk), b.dv = sequence<T>(dv), b.dh0 = matrix<T>(dh0);
      KERNEL(min_gru_bwd, T)(gate.device(), b);
    }, {.exps = 2 * double(h.size()), .backward_exps = 2 * double(h.size())});  // gate and candidate
    return {out[0], out[1]};
  });
}

}  // namespace adder::ops
