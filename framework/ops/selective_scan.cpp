#include "framework/ops/selective_scan.h"

#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "kernels/selective_scan/selective_scan.h"

namespace adder::ops {
namespace {

// The inputs with evenly spaced rows, or dense where kernels take a pointer; kept alive for backward.
struct Kept {
  Tensor u, delta, A, B, C, D, z, delta_bias, h0, resets, boundaries;
  bool softplus, signed_transitions;
};

template <class T>
kernels::SelectiveScan<T> scan_of(const Kept& k) {
  kernels::SelectiveScan<T> s;
  s.batch = k.u.dim(0), s.length = k.u.dim(1), s.channels = k.u.dim(2), s.state = k.A.dim(1);
  s.u = matrix<const T>(k.u), s.delta = matrix<const T>(k.delta), s.z = matrix<const T>(k.z);
  s.A = pointer<const T>(k.A), s.B = matrix<const T>(k.B), s.C = matrix<const T>(k.C);
  s.D = pointer<const T>(k.D), s.delta_bias = pointer<const T>(k.delta_bias), s.h0 = pointer<const T>(k.h0);
  s.resets = pointer<const int32_t>(k.resets);
  s.fixed_B = k.B.rank() == 2, s.fixed_C = k.C.rank() == 2;
  s.softplus = k.softplus, s.signed_transitions = k.signed_transitions;
  return s;
}

template <class T>
void backward(const Kept& kept, const Adjoints& g) {
  auto s = scan_of<T>(kept);
  const Tensor dy = g.out(0).defined() ? g.out(0).with_even_rows() : Tensor();
  const Tensor dlast = dense(g.out(1));
  const auto by_pointer = [](size_t i) { return i == 2 || i == 8; };  // A, h0
  std::vector<Tensor> d;
  // dz goes into every other piece of its rows: zeros that ran through memory before are faster to add to than to do without.
  s.overwrite_du = g.begin(0), s.overwrite_ddelta = g.begin(1);
  for (size_t i = 0; i < 9; ++i) d.push_back(by_pointer(i) ? g.in_dense(i) : g.in(i));
  s.boundaries = kept.boundaries.data<T>();
  s.dy = matrix<const T>(dy), s.dlast = pointer<const T>(dlast);
  s.du = matrix<T>(d[0]), s.ddelta = matrix<T>(d[1]), s.dA = pointer<T>(d[2]);
  s.dB = matrix<T>(d[3]), s.dC = matrix<T>(d[4]), s.dD = pointer<T>(d[5]), s.dz = matrix<T>(d[6]);
  s.ddelta_bias = pointer<T>(d[7]), s.dh0 = pointer<T>(d[8]);
  KERNEL(selective_scan_bwd, T)(kept.u.device(), s);
}

}  // namespace

SelectiveScanResult selective_scan(const SelectiveScanInputs& in, bool delta_softplus, bool signed_transitions) {
  const Shapes check{"selective_scan"};
  const auto [batch, length, channels] = check("u", in.u, {"batch", "length", "channels"});
  const int64_t state = check("A", in.A, {channels, "state"})[1];
  if (in.delta.defined()) check("delta", in.delta, {batch, length, channels});
  else if (!in.delta_bias.defined()) check.fail("neither delta nor delta_bias is given, expected at least one");
  const auto coefficient = [&, batch = batch, length = length, channels = channels](const char* name, const Var& x) {
    if (x.value().rank() == 2) check(name, x, {channels, state});
    else check(name, x, {batch, length, state});
  };
  coefficient("B", in.B), coefficient("C", in.C);
  if (in.D.defined()) check("D", in.D, {channels});
  if (in.z.defined()) check("z", in.z, {batch, length, channels});
  if (in.delta_bias.defined()) check("delta_bias", in.delta_bias, {channels});
  if (in.h0.defined()) check("h0", in.h0, {batch, channels, state});
  if (in.resets.defined()) check("resets", in.resets, {batch, length});
  check.one_dtype({&in.u, &in.delta, &in.A, &in.B, &in.C, &in.D, &in.z, &in.delta_bias, &in.h0});

  return by_dtype(in.u.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto even = [](const Var& v) { return v.defined() ? v.value().with_even_rows() : Tensor(); };
    Kept kept{even(in.u), even(in.delta), dense(in.A.value()), even(in.B), even(in.C), dense(in.D.value()),
              even(in.z), dense(in.delta_bias.value()), dense(in.h0.value()), dense(in.resets), {},
              delta_softplus, signed_transitions};
    auto s = scan_of<T>(kept);
    const Tensor y = Tensor::empty({batch, length, channels}, in.u.dtype(), in.u.device());
    const Tensor last = Tensor::empty({batch, channels, state}, in.u.dtype(), in.u.device());
    if (recording({in.u, in.delta, in.A, in.B, in.C, in.D, in.z, in.delta_bias, in.h0}))
      kept.boundaries = Tensor::empty({kernels::scan_boundaries(s)}, in.u.dtype(), in.u.device());
    s.y = matrix<T>(y), s.last = last.data<T>(), s.boundaries = pointer<T>(kept.boundaries);
    KERNEL(selective_scan_fwd, T)(in.u.device(), s);
    // An element is a channel's state variable at a step. Forward: e^(delta A), h = a h + (delta u) B, y += C h; backward:
    // h again, the adjoint g = a g + C dy, and g's share of dB, dC, dA, ddelta and du.
    const double elements = double(batch * length * channels * state);
    const Work work{.flops = 6 * elements, .backward_flops = 20 * elements, .exps = elements, .backward_exps = elements};
    auto out = record("selective_scan", {y, last}, {in.u, in.delta, in.A, in.B, in.C, in.D, in.z, in.delta_bias, in.h0},
                      [kept = std::move(kept)](const Adjoints& g) { backward<T>(kept, g); }, work);
    return SelectiveScanResult{out[0], out[1]};
  });
}

}  // namespace adder::ops
