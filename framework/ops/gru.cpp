#include "framework/ops/gru.h"

#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/over.h"
#include "framework/ops/panels.h"
#include "framework/ops/recurrent_work.h"
#include "framework/ops/sequence.h"
#include "kernels/gru/gru.h"

namespace adder::ops {
namespace {

void check_shapes(const Var& xg, const Var& w_hh, const Var& b_hh, const Var& h0, const Tensor& resets) {
  const Shapes check{"gru"};
  const int64_t hidden = check("w_hh", w_hh, {"3 hidden", "hidden"})[1];
  check("w_hh", w_hh, {3 * hidden, hidden});
  const auto [batch, length, gates] = check("xg", xg, {"batch", "length", 3 * hidden});
  if (length < 1) check.fail("xg has length 0, expected at least 1");
  if (b_hh.defined()) check("b_hh", b_hh, {gates});
  if (h0.defined()) check("h0", h0, {batch, hidden});
  if (resets.defined()) {
    check("resets", resets, {batch, length});
    if (resets.dtype() != DType::i32)
      check.fail(std::string("resets has dtype ") + name(resets.dtype()) + ", expected int32");
  }
  check.one_dtype({&xg, &w_hh, &b_hh, &h0});
}

// What backward needs, kept alive for it.
struct Kept {
  Tensor w, h0, resets, y, gates, q;
};

template <class T>
kernels::Gru<T> gru_of(const Kept& k) {
  kernels::Gru<T> a{.batch = k.y.dim(0), .length = k.y.dim(1), .hidden = k.y.dim(2)};
  a.w = matrix<const T>(k.w), a.h0 = matrix<const T>(k.h0), a.resets = pointer<const int32_t>(k.resets);
  a.y = k.y.data<T>(), a.gates = pointer<T>(k.gates), a.q = pointer<T>(k.q);
  return a;
}

template <class T>
void backward(const Kept& kept, const Adjoints& g) {
  const Tensor dy = g.out(0), dlast = g.out(1).defined() ? g.out(1).with_even_rows() : Tensor();
  const Tensor dw = g.in(1), db = g.in(2), dh0 = g.in(3);
  auto a = gru_of<T>(kept);
  a.dy = sequence<const T>(dy), a.dlast = matrix<const T>(dlast);
  a.dw = matrix<T>(dw), a.dbias = pointer<T>(db), a.dh0 = matrix<T>(dh0);
  KERNEL(gru_bwd, T)(kept.y.device(), a);
  g.give(0, kept.gates);  // nobody else has them, and each is read before its gradient is written
}

}  // namespace

GruResult gru(Var xg, const Var& w_hh, const Var& b_hh, const Var& h0, const Tensor& resets) {
  check_shapes(xg, w_hh, b_hh, h0, resets);
  const int64_t batch = xg.dim(0), length = xg.dim(1), hidden = w_hh.dim(1);

  return by_dtype(xg.dtype(), [&](auto zero) -> GruResult {
    using T = decltype(zero);
    const auto fresh = [&](const Shape& shape) { return Tensor::empty(shape, xg.dtype(), xg.device()); };
    const Tensor before = h0.defined() ? h0.value().with_even_rows() : Tensor(), last = fresh({batch, hidden});
    Kept kept{w_hh.value(), before, dense(resets), fresh({batch, length, hidden}), {}, {}};
    if (recording({xg, w_hh, b_hh, h0})) kept.gates = over(xg), kept.q = fresh({batch, length, hidden});
    auto a = gru_of<T>(kept);
    if (length == 1) a.panels = panels_of<T>(kept.w, xg.dim(0));
    a.xg = sequence<const T>(xg.value()), a.bias = pointer<const T>(b_hh.value()), a.last = matrix<T>(last);
    KERNEL(gru_fwd, T)(xg.device(), a);
    const Tensor y = kept.y;
    const auto out = record("gru", {y, last}, {xg, w_hh, b_hh, h0},
                            [kept = std::move(kept)](const Adjoints& g) { backward<T>(kept, g); },
                            recurrent_work({3, 3, 0}, xg, w_hh));
    return {out[0], out[1]};
  });
}

}  // namespace adder::ops
