#include "framework/ops/rotary.h"

#include <cmath>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/sequence.h"
#include "kernels/rotary/rotary.h"

namespace adder::ops {

RotaryTables rotary_tables(int64_t places, int64_t head_dim, double base, DType dtype) {
  const int64_t half = head_dim / 2;
  const Tensor cosines = Tensor::empty({places, half}, DType::f64), sines = Tensor::empty({places, half}, DType::f64);
  for (int64_t p = 0; p < places; ++p)
    for (int64_t i = 0; i < half; ++i) {
      const double angle = double(p) * std::pow(base, -2.0 * double(i) / double(head_dim));
      cosines.data<double>()[p * half + i] = std::cos(angle);
      sines.data<double>()[p * half + i] = std::sin(angle);
    }
  return {cosines.to(dtype), sines.to(dtype)};
}

Var rotary(const Var& x, const Tensor& positions, const RotaryTables& tables, int64_t heads, bool interleaved) {
  const Shapes check{"rotary"};
  const auto [batch, length, width] = check("x", x, {"batch", "length", "heads * head_dim"});
  if (heads < 1 || width % (2 * heads) != 0)
    check.fail("x has rows of " + std::to_string(width) + ", expected an even number for each of " +
               std::to_string(heads) + " heads");
  const int64_t dim = width / heads, places = check("cos", tables.cos, {"places", dim / 2})[0];
  check("sin", tables.sin, {places, dim / 2});
  check("positions", positions, {batch, length});
  const Tensor at = dense(positions);
  for (int64_t i = 0; i < at.size(); ++i)
    if (at.data<int32_t>()[i] < 0 || at.data<int32_t>()[i] >= places)
      check.fail("positions[" + std::to_string(i) + "] is " + std::to_string(at.data<int32_t>()[i]) +
                 ", expected 0 to " + std::to_string(places - 1));

  return by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor in = x.value(), y = Tensor::empty(x.shape(), x.dtype(), x.device());
    kernels::Rotary<T> a{.heads = heads, .head_dim = dim, .interleaved = interleaved,
                         .positions = at.data<int32_t>(), .cos = tables.cos.data<T>(), .sin = tables.sin.data<T>(),
                         .x = sequence<const T>(in)};
    a.y = sequence<T>(y);
    KERNEL(rotary_fwd, T)(x.device(), a);
    return record("rotary", y, {x}, [a, at, tables, device = x.device()](const Adjoints& g) {
      auto back = a;
      const Tensor dy = g.out(0), dx = g.in(0);
      back.positions = at.data<int32_t>(), back.cos = tables.cos.data<T>(), back.sin = tables.sin.data<T>();
      back.dy = sequence<const T>(dy), back.dx = sequence<T>(dx);
      KERNEL(rotary_bwd, T)(device, back);
    });
  });
}

}  // namespace adder::ops
