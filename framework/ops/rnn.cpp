#include "framework/ops/rnn.h"

#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/over.h"
#include "framework/ops/panels.h"
#include "framework/ops/recurrent_work.h"
#include "framework/ops/sequence.h"

namespace adder::ops {
namespace {

void check_shapes(const Var& xg, const Var& w_hh, const Var& b_hh, const Var& h0, const Tensor& resets) {
  const Shapes check{"rnn"};
  const auto [batch, length, hidden] = check("xg", xg, {"batch", "length", "hidden"});
  if (length < 1) check.fail("xg has length 0, expected at least 1");
  check("w_hh", w_hh, {hidden, hidden});
  if (b_hh.defined()) check("b_hh", b_hh, {hidden});
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
  Tensor w, h0, resets, y;
  RnnActivation activation;
};

template <class T>
kernels::Rnn<T> rnn_of(const Kept& k) {
  kernels::Rnn<T> a{.batch = k.y.dim(0), .length = k.y.dim(1), .hidden = k.y.dim(2), .activation = k.activation};
  a.w = matrix<const T>(k.w), a.h0 = matrix<const T>(k.h0), a.resets = pointer<const int32_t>(k.resets);
  a.y = k.y.data<T>();
  return a;
}

template <class T>
void backward(const Kept& kept, const Adjoints& g) {
  auto a = rnn_of<T>(kept);
  const Tensor dy = g.out(0), dlast = g.out(1).defined() ? g.out(1).with_even_rows() : Tensor();
  const Tensor dw = g.in(1), db = g.in(2), dh0 = g.in(3);
  const Tensor dxg = Tensor::like(kept.y);
  a.dy = sequence<const T>(dy), a.dlast = matrix<const T>(dlast);
  a.dpre = dxg.data<T>();
  a.dw = matrix<T>(dw), a.dbias = pointer<T>(db), a.dh0 = matrix<T>(dh0);
  KERNEL(rnn_bwd, T)(kept.y.device(), a);
  g.give(0, dxg);
}

}  // namespace

RnnResult rnn(Var xg, const Var& w_hh, const Var& b_hh, const Var& h0, const Tensor& resets,
              RnnActivation activation) {
  check_shapes(xg, w_hh, b_hh, h0, resets);

  return by_dtype(xg.dtype(), [&](auto zero) -> RnnResult {
    using T = decltype(zero);
    const Tensor before = h0.defined() ? h0.value().with_even_rows() : Tensor();
    Kept kept{w_hh.value(), before, dense(resets), over(xg), activation};
    const Tensor last = Tensor::empty({xg.dim(0), xg.dim(2)}, xg.dtype(), xg.device());
    auto a = rnn_of<T>(kept);
    if (xg.dim(1) == 1) a.panels = panels_of<T>(kept.w, xg.dim(0));
    a.xg = sequence<const T>(xg.value()), a.bias = pointer<const T>(b_hh.value()), a.last = matrix<T>(last);
    KERNEL(rnn_fwd, T)(xg.device(), a);
    const Tensor y = kept.y;
    const auto out = record("rnn", {y, last}, {xg, w_hh, b_hh, h0},
                            [kept = std::move(kept)](const Adjoints& g) { backward<T>(kept, g); },
                            recurrent_work({1, 1, 0}, xg, w_hh));
    return {out[0], out[1]};
  });
}

}  // namespace adder::ops
