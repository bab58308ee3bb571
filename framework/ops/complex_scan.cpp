#include "framework/ops/complex_scan.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/sequence.h"
#include "kernels/complex_scan/complex_scan.h"

namespace adder::ops {
namespace {

void check_shapes(const ComplexScanInputs& in) {
  const Shapes check{"complex_scan"};
  const auto [batch, length, channels] = check("b_re", in.b_re, {"batch", "length", "channels"});
  check("b_im", in.b_im, {batch, length, channels});
  if (length < 1) check.fail("b_re has length 0, expected at least 1");
  if (in.a_re.defined() && in.a_re.value().rank() == 1) {
    check("a_re", in.a_re, {channels});
    check("a_im", in.a_im, {channels});
  } else {
    check("a_re", in.a_re, {batch, length, channels});
    check("a_im", in.a_im, {batch, length, channels});
  }
  if (in.h0_re.defined() || in.h0_im.defined()) {
    check("h0_re", in.h0_re, {batch, channels});
    check("h0_im", in.h0_im, {batch, channels});
  }
  if (in.resets.defined()) {
    check("resets", in.resets, {batch, length});
    if (in.resets.dtype() != DType::i32)
      check.fail(std::string("resets has dtype ") + name(in.resets.dtype()) + ", expected int32");
  }
  check.one_dtype({&in.b_re, &in.b_im, &in.a_re, &in.a_im, &in.h0_re, &in.h0_im});
}

// (N), the same row at every step, or (B,L,N).
template <class T>
kernels::Sequence<T> coefficients(const Tensor& a, const Tensor& b) {
  if (!a.defined() || a.rank() == 3) return sequence<T>(a);
  return {a.data<std::remove_const_t<T>>(), b.dim(0), b.dim(1), b.dim(2), 0, 0};
}

struct Kept {
  Tensor a_re, a_im, b_re, b_im, h0_re, h0_im, resets, h_re, h_im;
};

template <class T>
kernels::ComplexScan<T> scan_of(const Kept& k) {
  kernels::ComplexScan<T> s{.a_re = coefficients<const T>(k.a_re, k.b_re),
                            .a_im = coefficients<const T>(k.a_im, k.b_re),
                            .b_re = sequence<const T>(k.b_re),
                            .b_im = sequence<const T>(k.b_im)};
  s.constant_a = k.a_re.rank() == 1;
  s.h0_re = matrix<const T>(k.h0_re), s.h0_im = matrix<const T>(k.h0_im);
  s.resets = pointer<const int32_t>(k.resets);
  s.h_re = sequence<T>(k.h_re), s.h_im = sequence<T>(k.h_im);
  return s;
}

template <class T>
void backward(const Kept& kept, const Adjoints& g) {
  auto s = scan_of<T>(kept);
  Tensor out[4], in[6];
  for (size_t i = 0; i < 4; ++i) out[i] = g.out(i);
  for (size_t i = 0; i < 6; ++i) in[i] = g.in(i);
  s.dh_re = sequence<const T>(out[0]), s.dh_im = sequence<const T>(out[1]);
  s.dlast_re = matrix<const T>(out[2]), s.dlast_im = matrix<const T>(out[3]);
  s.da_re = coefficients<T>(in[0], kept.b_re), s.da_im = coefficients<T>(in[1], kept.b_re);
  s.db_re = sequence<T>(in[2]), s.db_im = sequence<T>(in[3]);
  s.dh0_re = matrix<T>(in[4]), s.dh0_im = matrix<T>(in[5]);
  KERNEL(complex_scan_bwd, T)(kept.b_re.device(), s);
}

}  // namespace

ComplexScanResult complex_scan(const ComplexScanInputs& in) {
  check_shapes(in);

  return by_dtype(in.b_re.dtype(), [&](auto zero) -> ComplexScanResult {
    using T = decltype(zero);
    const Tensor b = in.b_re.value();
    const Kept kept{in.a_re.value(), in.a_im.value(), b, in.b_im.value(), in.h0_re.value(), in.h0_im.value(),
                    dense(in.resets), Tensor::like(b), Tensor::like(b)};
    const Tensor last_re = Tensor::empty({b.dim(0), b.dim(2)}, b.dtype(), b.device()), last_im = Tensor::like(last_re);
    auto s = scan_of<T>(kept);
    s.last_re = matrix<T>(last_re), s.last_im = matrix<T>(last_im);
    KERNEL(complex_scan_fwd, T)(b.device(), s);
    const auto out = record("complex_scan", {kept.h_re, kept.h_im, last_re, last_im},
                            {in.a_re, in.a_im, in.b_re, in.b_im, in.h0_re, in.h0_im},
                            [kept](const Adjoints& g) { backward<T>(kept, g); },
                            {.flops = 8 * double(b.size()), .backward_flops = 16 * double(b.size())});
    return {out[0], out[1], out[2], out[3]};
  });
}

}  // namespace adder::ops
