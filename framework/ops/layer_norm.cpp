#include "framework/ops/layer_norm.h"

#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/remake.h"
#include "kernels/layer_norm/layer_norm.h"

namespace adder::ops {

Var layer_norm(const Var& x, const Var& w, const Var& b, double eps) {
  const Shapes check{"layer_norm"};
  const int64_t n = check.last("x", x, "n");
  check("w", w, {n});
  if (b.defined()) check("b", b, {n});
  check.one_dtype({&x, &w, &b});

  return by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor y = Tensor::like(x.value());
    Tensor in = x.value().with_even_rows(), weight = w.value(), bias = b.value();
    Tensor m = Tensor::empty({in.rows()}, x.dtype()), r = Tensor::empty({in.rows()}, x.dtype());
    kernels::LayerNorm<T> a{
        .x = matrix<const T>(in), .w = weight.data<T>(), .b = pointer<T>(bias), .eps = T(eps)};
    a.y = matrix<T>(y), a.m = m.data<T>(), a.r = r.data<T>();
    KERNEL(layer_norm_fwd, T)(x.device(), a);
    return remaking(record("layer_norm", y, {x, w, b}, [a, in = std::move(in), m = std::move(m), r = std::move(r),
                                                        weight = std::move(weight), bias = std::move(bias)](const Adjoints& g) {
      auto back = a;
      const Tensor dy = g.take(0).with_even_rows(), dw = g.in(1), db = g.in(2), again = again_over(in, g);
      const auto [before, dx] = g.onto(0, dy);
      back.dy = matrix<const T>(dy), back.before = matrix<const T>(before), back.dx = matrix<T>(dx);
      back.dw = pointer<T>(dw), back.db = pointer<T>(db), back.y = matrix<T>(again);
      KERNEL(layer_norm_bwd, T)(in.device(), back);
      g.remake(0, again);
    }));
  });
}

}  // namespace adder::ops
