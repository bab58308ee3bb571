#include "framework/ops/min_lstm.h"

#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/sequence.h"
#include "kernels/min_lstm/min_lstm.h"

namespace adder::ops {
namespace {

void check_shapes(const Var& f, const Var& i, const Var& v, const Var& h0, const Tensor& resets) {
  const Shapes check{"min_lstm"};
  const auto [batch, length, channels] = check("f", f, {"batch", "length", "channels"});
  check("i", i, {batch, length, channels});
  check("v", v, {batch, length, channels});
  if (length < 1) check.fail("f has length 0, expected at least 1");
  if (h0.defined()) check("h0", h0, {batch, channels});
  if (resets.defined()) {
    check("resets", resets, {batch, length});
    if (resets.dtype() != DType::i32)
      check.fail(std::string("resets has dtype ") + name(resets.dtype()) + ", expected int32");
  }
  check.one_dtype({&f, &i, &v, &h0});
}

}  // namespace

MinLstmResult min_lstm(const Var& f, const Var& i, const Var& v, const Var& h0, const Tensor& resets,
                       Candidate candidate) {
  check_shapes(f, i, v, h0, resets);

  return by_dtype(f.dtype(), [&](auto zero) -> MinLstmResult {
    using T = decltype(zero);
    Tensor forget = f.value(), gate = i.value(), input = v.value(), before = h0.value(), starts = dense(resets);
    const Tensor h = Tensor::like(forget), last = Tensor::empty({f.dim(0), f.dim(2)}, f.dtype(), f.device());
    kernels::MinLstm<T> a{.f = sequence<const T>(forget), .i = sequence<const T>(gate),
                          .v = sequence<const T>(input)};
    a.h0 = matrix<const T>(before), a.resets = pointer<const int32_t>(starts), a.candidate = candidate;
    a.h = sequence<T>(h), a.last = matrix<T>(last);
    KERNEL(min_lstm_fwd, T)(f.device(), a);
    const auto out = record("min_lstm", {h, last}, {f, i, v, h0},
                            [a, forget = std::move(forget), gate = std::move(gate), input = std::move(input),
                             before = std::move(before), starts = std::move(starts), h](const Adjoints& g) {
      auto b = a;
      b.overwrite = g.begin_together({0, 1, 2});
      const Tensor dh = g.out(0), dlast = g.out(1);
      const Tensor df = g.in(0), di = g.in(1), dv = g.in(2), dh0 = g.in(3);
      b.dh = sequence<const T>(dh), b.dlast = matrix<const T>(dlast);
      b.df = sequence<T>(df), b.di = sequence<T>(di), b.dv = sequence<T>(dv), b.dh0 = matrix<T>(dh0);
      KERNEL(min_lstm_bwd, T)(forget.device(), b);
    }, {.exps = 4 * double(h.size()), .backward_exps = 4 * double(h.size())});  // three of the gates, the candidate's
    return {out[0], out[1]};
  });
}

}  // namespace adder::ops
