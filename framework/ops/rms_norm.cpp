#include "framework/ops/rms_norm.h"

#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/remake.h"
#include "kernels/rms_norm/rms_norm.h"

namespace adder::ops {

Var rms_norm(const Var& x, const Var& w, double eps) {
  const Shapes check{"rms_norm"};
  const int64_t n = check.last("x", x, "n");
  check("w", w, {n});
  check.one_dtype({&x, &w});

  return by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor y = Tensor::like(x.value());
    Tensor in = x.value().with_even_rows(), weight = w.value(), r = Tensor::empty({in.rows()}, x.dtype());
    kernels::RmsNorm<T> a{.x = matrix<const T>(in), .w = weight.data<T>(), .eps = T(eps)};
    a.y = matrix<T>(y), a.r = r.data<T>();
    KERNEL(rms_norm_fwd, T)(x.device(), a);
    return remaking(record("rms_norm", y, {x, w}, [a, in = std::move(in), r = std::move(r), weight = std::move(weight)](const Adjoints& g) {
      auto b = a;
      const Tensor dy = g.take(0).with_even_rows(), dw = g.in(1), again = again_over(in, g);
      const auto [before, dx] = g.onto(0, dy);
      b.dy = matrix<const T>(dy), b.before = matrix<const T>(before), b.dx = matrix<T>(dx), b.dw = pointer<T>(dw);
      b.y = matrix<T>(again);
      KERNEL(rms_norm_bwd, T)(in.device(), b);
      g.remake(0, again);
    }));
  });
}

}  // namespace adder::ops
