#include "framework/ops/diagonal_ssm.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/sequence.h"
#include "kernels/diagonal_ssm/diagonal_ssm.h"

namespace adder::ops {
namespace {

void check_shapes(const DiagonalSsmInputs& in) {
  const Shapes check{"diagonal_ssm"};
  const auto [batch, length, channels] = check("u", in.u, {"batch", "length", "channels"});
  if (length < 1) check.fail("u has length 0, expected at least 1");
  const int64_t state = check("a_re", in.a_re, {channels, "state"})[1];
  const bool complex = in.a_im.defined();
  const auto coefficient = [&, channels = channels](const char* name, const Var& x, bool wanted) {
    if (wanted) check(name, x, {channels, state});
    else if (x.defined()) check.fail(std::string(name) + " is given, but a_im is not");
  };
  coefficient("b_re", in.b_re, true), coefficient("c_re", in.c_re, true);
  coefficient("a_im", in.a_im, complex), coefficient("b_im", in.b_im, complex), coefficient("c_im", in.c_im, complex);
  if (in.D.defined()) check("D", in.D, {channels});
  if (in.h0_re.defined()) check("h0_re", in.h0_re, {batch, channels, state});
  if (in.h0_re.defined() && complex) check("h0_im", in.h0_im, {batch, channels, state});
  else if (in.h0_im.defined()) check.fail("h0_im is given, but h0_re or a_im is not");
  if (in.resets.defined()) {
    check("resets", in.resets, {batch, length});
    if (in.resets.dtype() != DType::i32)
      check.fail(std::string("resets has dtype ") + name(in.resets.dtype()) + ", expected int32");
  }
  check.one_dtype({&in.u, &in.a_re, &in.a_im, &in.b_re, &in.b_im, &in.c_re, &in.c_im, &in.D, &in.h0_re, &in.h0_im});
}

struct Kept {
  Tensor u, a_re, a_im, b_re, b_im, c_re, c_im, D, h0_re, h0_im, resets, borders;
  double weight;
};

template <class T>
kernels::DiagonalSsm<T> ssm_of(const Kept& k) {
  kernels::DiagonalSsm<T> s{.state = k.a_re.dim(1), .u = sequence<const T>(k.u)};
  s.a_re = pointer<const T>(k.a_re), s.a_im = pointer<const T>(k.a_im);
  s.b_re = pointer<const T>(k.b_re), s.b_im = pointer<const T>(k.b_im);
  s.c_re = pointer<const T>(k.c_re), s.c_im = pointer<const T>(k.c_im);
  s.D = pointer<const T>(k.D), s.h0_re = pointer<const T>(k.h0_re), s.h0_im = pointer<const T>(k.h0_im);
  s.resets = pointer<const int32_t>(k.resets), s.weight = T(k.weight);
  s.borders = pointer<T>(k.borders);
  return s;
}

template <class T>
void backward(const Kept& kept, const Adjoints& g) {
  auto s = ssm_of<T>(kept);
  const bool complex = s.a_im;
  const Tensor dy = g.out(0), dlast_re = dense(g.out(1)), dlast_im = complex ? dense(g.out(2)) : Tensor();
  s.dy = sequence<const T>(dy), s.dlast_re = pointer<const T>(dlast_re), s.dlast_im = pointer<const T>(dlast_im);
  const Tensor du = g.in(0);
  Tensor in[10];
  for (size_t i = 1; i < 10; ++i) in[i] = g.in_dense(i);
  s.du = sequence<T>(du);
  s.da_re = pointer<T>(in[1]), s.da_im = pointer<T>(in[2]), s.db_re = pointer<T>(in[3]), s.db_im = pointer<T>(in[4]);
  s.dc_re = pointer<T>(in[5]), s.dc_im = pointer<T>(in[6]), s.dD = pointer<T>(in[7]);
  s.dh0_re = pointer<T>(in[8]), s.dh0_im = pointer<T>(in[9]);
  KERNEL(diagonal_ssm_bwd, T)(kept.u.device(), s);
}

}  // namespace

DiagonalSsmResult diagonal_ssm(const DiagonalSsmInputs& in, bool conjugate_pairs) {
  check_shapes(in);

  return by_dtype(in.u.dtype(), [&](auto zero) -> DiagonalSsmResult {
    using T = decltype(zero);
    const auto flat = [](const Var& x) { return dense(x.value()); };
    Kept kept{in.u.value(), flat(in.a_re), flat(in.a_im), flat(in.b_re), flat(in.b_im), flat(in.c_re), flat(in.c_im),
              flat(in.D), flat(in.h0_re), flat(in.h0_im), dense(in.resets), {}, conjugate_pairs ? 2.0 : 1.0};
    const DType dtype = in.u.dtype();
    const Device device = in.u.device();
    const std::vector<Var> inputs = {in.u, in.a_re, in.a_im, in.b_re, in.b_im, in.c_re, in.c_im, in.D, in.h0_re, in.h0_im};
    if (recording({in.u, in.a_re, in.a_im, in.b_re, in.b_im, in.c_re, in.c_im, in.D, in.h0_re, in.h0_im}))
      kept.borders = Tensor::empty({kernels::ssm_borders(ssm_of<T>(kept))}, dtype, device);
    auto s = ssm_of<T>(kept);
    const Shape state = {in.u.dim(0), in.u.dim(2), s.state};
    std::vector<Tensor> out = {Tensor::like(in.u.value()), Tensor::empty(state, dtype, device)};
    if (s.a_im) out.push_back(Tensor::empty(state, dtype, device));
    s.y = sequence<T>(out[0]), s.last_re = out[1].data<T>();
    if (s.a_im) s.last_im = out[2].data<T>();
    KERNEL(diagonal_ssm_fwd, T)(device, s);
    // A channel's state variable at a step: h = a h + b u, y += Re(c h): 6, of complex ones 8 + 4 + 4. Backward: h
    // again, the adjoint g = a g + c dy, da += g h, db += g u, dc += h dy, du += Re(b g): 16, or 12 + 12 + 8 + 4 + 4 + 4.
    const double elements = double(in.u.value().size() * s.state);
    const Work work{.flops = (s.a_im ? 16 : 6) * elements, .backward_flops = (s.a_im ? 44 : 16) * elements};
    const auto r = record("diagonal_ssm", out, inputs, [kept](const Adjoints& g) { backward<T>(kept, g); }, work);
    return {r[0], r[1], s.a_im ? r[2] : Var()};
  });
}

}  // namespace adder::ops
