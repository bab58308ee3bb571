#include "framework/ops/scan.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/sequence.h"
#include "kernels/scan/scan.h"

namespace adder::ops {
namespace {

void check_shapes(const Var& a, const Var& b, const Var& h0, const Tensor& resets) {
  const Shapes check{"scan"};
  const auto [batch, length, channels] = check("a", a, {"batch", "length", "channels"});
  check("b", b, {batch, length, channels});
  if (length < 1) check.fail("a has length 0, expected at least 1");
  if (h0.defined()) check("h0", h0, {batch, channels});
  if (resets.defined()) {
    check("resets", resets, {batch, length});
    if (resets.dtype() != DType::i32)
      check.fail(std::string("resets has dtype ") + name(resets.dtype()) + ", expected int32");
  }
  check.one_dtype({&a, &b, &h0});
}

}  // namespace

ScanResult scan(const Var& a, const Var& b, const Var& h0, const Tensor& resets, bool reverse) {
  check_shapes(a, b, h0, resets);

  return by_dtype(a.dtype(), [&](auto zero) -> ScanResult {
    using T = decltype(zero);
    const Tensor decay = a.value(), input = b.value(), before = h0.value();
    const Tensor starts = resets.defined() && !resets.contiguous() ? resets.clone() : resets;
    const Tensor h = Tensor::like(input), last = Tensor::empty({a.dim(0), a.dim(2)}, a.dtype(), a.device());
    kernels::Scan<T> s{.a = sequence<const T>(decay), .b = sequence<const T>(input)};
    s.h0 = matrix<const T>(before), s.resets = pointer<const int32_t>(starts), s.reverse = reverse;
    s.h = sequence<T>(h), s.last = matrix<T>(last);
    KERNEL(scan_fwd, T)(a.device(), s);
    const auto out =
        record("scan", {h, last}, {a, b, h0}, [s, decay, input, before, starts, h](const Adjoints& g) {
          auto d = s;
          const Tensor dh = g.out(0), dlast = g.out(1), da = g.in(0), db = g.in(1), dh0 = g.in(2);
          d.dh = sequence<const T>(dh), d.dlast = matrix<const T>(dlast);
          d.da = sequence<T>(da), d.db = sequence<T>(db), d.dh0 = matrix<T>(dh0);
          KERNEL(scan_bwd, T)(decay.device(), d);
        }, {.flops = 2 * double(h.size()), .backward_flops = 4 * double(h.size())});
    return {out[0], out[1]};
  });
}

}  // namespace adder::ops
