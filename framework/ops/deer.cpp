#include "framework/ops/deer.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/sequence.h"

namespace adder::ops {
namespace {

using kernels::deer_gates;

struct Inputs {
  Var xg, w, b, h0, c0;
};

void check_shapes(const Inputs& in, const Tensor& resets, const DeerOptions& o) {
  const Shapes check{"deer"};
  const int64_t hidden = check("w_hh", in.w, {"gates hidden", "hidden"})[1],
                gates = deer_gates(o.cell) * hidden;
  check("w_hh", in.w, {gates, hidden});
  const auto [batch, length, width] = check("xg", in.xg, {"batch", "length", gates});
  if (length < 1) check.fail("xg has length 0, expected at least 1");
  if (in.b.defined()) check("b_hh", in.b, {width});
  if (in.h0.defined()) check("h0", in.h0, {batch, hidden});
  if (in.c0.defined()) check("c0", in.c0, {batch, hidden});
  if (resets.defined()) {
    check("resets", resets, {batch, length});
    if (resets.dtype() != DType::i32)
      check.fail(std::string("resets has dtype ") + name(resets.dtype()) + ", expected int32");
  }
  check.one_dtype({&in.xg, &in.w, &in.b, &in.h0, &in.c0});
  const int64_t state = deer_states(o.cell) * hidden;
  if (o.dense && state > kernels::kDeerMostState)
    check.fail("a state has " + std::to_string(state) + " elements, expected at most " +
               std::to_string(kernels::kDeerMostState) +
               " where the whole Jacobian of every step is kept; keep its diagonal");
  if (o.max_iterations < 1)
    check.fail("max_iterations is " + std::to_string(o.max_iterations) + ", expected at least 1");
}

// What backward needs, kept alive for it.
struct Kept {
  Tensor xg, w, b, h0, c0, resets, states;
  DeerOptions options;
};

template <class T>
kernels::Deer<T> deer_of(const Kept& k) {
  kernels::Deer<T> a{.cell = k.options.cell, .dense = k.options.dense};
  a.batch = k.xg.dim(0), a.length = k.xg.dim(1), a.hidden = k.w.dim(1);
  a.xg = sequence<const T>(k.xg), a.w = matrix<const T>(k.w), a.bias = pointer<const T>(k.b);
  a.h0 = matrix<const T>(k.h0), a.c0 = matrix<const T>(k.c0), a.resets = pointer<const int32_t>(k.resets);
  a.states = k.states.data<T>();
  return a;
}

template <class T>
void backward(const Kept& kept, const Adjoints& g) {
  const auto even = [](const Tensor& x) { return x.defined() ? x.with_even_rows() : x; };
  const bool lstm = kept.options.cell == DeerCell::lstm, gru = kept.options.cell == DeerCell::gru;
  const Tensor dy = g.out(0), dlast_h = even(g.out(1)), dlast_c = lstm ? even(g.out(2)) : Tensor();
  const Tensor dw = g.in(1), db = g.in_dense(2), dh0 = g.in(3), dc0 = g.in(4);
  const auto like_xg = [&] { return Tensor::empty(kept.xg.shape(), kept.xg.dtype(), kept.xg.device()); };
  const Tensor dxg = like_xg(), dstep = gru ? like_xg() : dxg;
  const Shape of_h = {kept.xg.dim(0), kept.xg.dim(1), kept.w.dim(1)};
  const Tensor previous = dw.defined() ? Tensor::empty(of_h, dxg.dtype(), dxg.device()) : Tensor();
  auto a = deer_of<T>(kept);
  a.dy = sequence<const T>(dy), a.dlast_h = matrix<const T>(dlast_h), a.dlast_c = matrix<const T>(dlast_c);
  a.dxg = dxg.data<T>(), a.dstep = dstep.data<T>(), a.previous = pointer<T>(previous);
  a.dw = matrix<T>(dw), a.dbias = pointer<T>(db), a.dh0 = matrix<T>(dh0), a.dc0 = matrix<T>(dc0);
  KERNEL(deer_bwd, T)(dxg.device(), a);
  g.give(0, dxg);
}

double default_tolerance(DType dtype) { return dtype == DType::f64 ? 1e-13 : 1e-6; }

}  // namespace

DeerResult deer(const Var& xg, const Var& w_hh, const Var& b_hh, const std::vector<Var>& state,
                const Tensor& resets, const DeerOptions& options) {
  const bool lstm = options.cell == DeerCell::lstm;
  const Inputs in{xg, w_hh, b_hh, state.empty() ? Var() : state.at(0),
                  state.empty() || !lstm ? Var() : state.at(1)};
  check_shapes(in, resets, options);
  const int64_t batch = xg.dim(0), length = xg.dim(1), hidden = w_hh.dim(1),
                states = deer_states(options.cell);

  return by_dtype(xg.dtype(), [&](auto zero) -> DeerResult {
    using T = decltype(zero);
    const auto fresh = [&](const Shape& shape) { return Tensor::empty(shape, xg.dtype(), xg.device()); };
    const auto even = [](const Var& x) { return x.defined() ? x.value().with_even_rows() : Tensor(); };
    const Kept kept{xg.value(),
                    w_hh.value().with_even_rows(),
                    dense(b_hh.value()),
                    even(in.h0),
                    even(in.c0),
                    dense(resets),
                    fresh({batch, length, states * hidden}),
                    options};
    const Tensor last_h = fresh({batch, hidden}), last_c = lstm ? fresh({batch, hidden}) : Tensor();
    DeerResult result;
    auto a = deer_of<T>(kept);
    a.tolerance = T(options.tolerance > 0 ? options.tolerance : default_tolerance(xg.dtype()));
    a.max_iterations = options.max_iterations;
    a.last_h = matrix<T>(last_h), a.last_c = matrix<T>(last_c), a.report = &result.report;
    KERNEL(deer_fwd, T)(xg.device(), a);
    std::vector<Tensor> outputs = {kept.states.narrow(2, 0, hidden), last_h};
    if (lstm) outputs.push_back(last_c);
    const auto out = record("deer", outputs, {in.xg, in.w, in.b, in.h0, in.c0},
                            [kept](const Adjoints& g) { backward<T>(kept, g); });
    result.y = out[0];
    result.last.assign(out.begin() + 1, out.end());
    return result;
  });
}

}  // namespace adder::ops
