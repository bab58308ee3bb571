#include "framework/ops/lstm.h"

#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/over.h"
#include "framework/ops/panels.h"
#include "framework/ops/recurrent_work.h"
#include "framework/ops/sequence.h"
#include "kernels/lstm/lstm.h"

namespace adder::ops {
namespace {

void check_shapes(const Var& xg, const Var& w_hh, const Var& b_hh, const Var& h0, const Var& c0,
                  const Tensor& resets) {
  const Shapes check{"lstm"};
  const int64_t hidden = check("w_hh", w_hh, {"4 hidden", "hidden"})[1];
  check("w_hh", w_hh, {4 * hidden, hidden});
  const auto [batch, length, gates] = check("xg", xg, {"batch", "length", 4 * hidden});
  if (length < 1) check.fail("xg has length 0, expected at least 1");
  if (b_hh.defined()) check("b_hh", b_hh, {gates});
  if (h0.defined()) check("h0", h0, {batch, hidden});
  if (c0.defined()) check("c0", c0, {batch, hidden});
  if (resets.defined()) {
    check("resets", resets, {batch, length});
    if (resets.dtype() != DType::i32)
      check.fail(std::string("resets has dtype ") + name(resets.dtype()) + ", expected int32");
  }
  check.one_dtype({&xg, &w_hh, &b_hh, &h0, &c0});
}

// What backward needs, kept alive for it.
struct Kept {
  Tensor w, h0, resets, y, gates, cells;
};

template <class T>
kernels::Lstm<T> lstm_of(const Kept& k) {
  kernels::Lstm<T> a{.batch = k.y.dim(0), .length = k.y.dim(1), .hidden = k.y.dim(2)};
  a.w = matrix<const T>(k.w), a.h0 = matrix<const T>(k.h0);
  a.resets = pointer<const int32_t>(k.resets);
  a.y = k.y.data<T>(), a.gates = pointer<T>(k.gates), a.cells = pointer<T>(k.cells);
  return a;
}

template <class T>
void backward(const Kept& kept, const Adjoints& g) {
  const auto even = [](const Tensor& x) { return x.defined() ? x.with_even_rows() : Tensor(); };
  const Tensor dy = g.out(0), dlast_h = even(g.out(1)), dlast_c = even(g.out(2));
  const Tensor dw = g.in(1), db = g.in(2), dh0 = g.in(3), dc0 = g.in(4);
  const Tensor& dxg = kept.gates;  // nobody else has them, and each is read before its gradient is written
  auto a = lstm_of<T>(kept);
  a.dy = sequence<const T>(dy), a.dlast_h = matrix<const T>(dlast_h), a.dlast_c = matrix<const T>(dlast_c);
  a.dpre = dxg.data<T>();
  a.dw = matrix<T>(dw), a.dbias = pointer<T>(db), a.dh0 = matrix<T>(dh0), a.dc0 = matrix<T>(dc0);
  KERNEL(lstm_bwd, T)(kept.y.device(), a);
  g.give(0, dxg);
}

}  // namespace

LstmResult lstm(Var xg, const Var& w_hh, const Var& b_hh, const Var& h0, const Var& c0,
                const Tensor& resets) {
  check_shapes(xg, w_hh, b_hh, h0, c0, resets);
  const int64_t batch = xg.dim(0), length = xg.dim(1), hidden = w_hh.dim(1);

  return by_dtype(xg.dtype(), [&](auto zero) -> LstmResult {
    using T = decltype(zero);
    const auto even = [](const Var& v) { return v.defined() ? v.value().with_even_rows() : Tensor(); };
    const auto fresh = [&](const Shape& shape) { return Tensor::empty(shape, xg.dtype(), xg.device()); };
    Kept kept{w_hh.value(), even(h0), dense(resets), fresh({batch, length, hidden}), {}, {}};
    if (recording({xg, w_hh, b_hh, h0, c0}))
      kept.gates = over(xg), kept.cells = fresh({batch, kernels::lstm_chunks(length), hidden});
    const Tensor cell = even(c0), last_h = fresh({batch, hidden}), last_c = fresh({batch, hidden});
    auto a = lstm_of<T>(kept);
    if (length == 1) a.panels = panels_of<T>(kept.w, xg.dim(0));
    a.xg = sequence<const T>(xg.value()), a.bias = pointer<const T>(b_hh.value());
    a.c0 = matrix<const T>(cell), a.last_h = matrix<T>(last_h), a.last_c = matrix<T>(last_c);
    KERNEL(lstm_fwd, T)(xg.device(), a);
    const Tensor y = kept.y;
    const auto out = record("lstm", {y, last_h, last_c}, {xg, w_hh, b_hh, h0, c0},
                            [kept = std::move(kept)](const Adjoints& g) { backward<T>(kept, g); },
                            recurrent_work({4, 5, 1}, xg, w_hh));
    return {out[0], out[1], out[2]};
  });
}

}  // namespace adder::ops
