#include "framework/ops/rms_norm_gated.h"

#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "kernels/rms_norm_gated/rms_norm_gated.h"

namespace adder::ops {

Var rms_norm_gated(const Var& x, const Var& z, const Var& w, int64_t groups, double eps, bool norm_before_gate) {
  const Shapes check{"rms_norm_gated"};
  const int64_t n = check.last("x", x, "n");
  check.same("x", x, "z", z);
  check("w", w, {n});
  check.one_dtype({&x, &z, &w});
  if (groups < 1 || n % groups)
    check.fail("x has shape " + to_string(x.shape()) + ", expected a last axis of " + std::to_string(groups) +
               " equal groups");

  return by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor in = x.value().with_even_rows(), gate = z.value().with_even_rows(), weight = w.value();
    const Tensor y = Tensor::like(in);
    Tensor r = Tensor::empty({in.rows(), groups}, x.dtype(), x.device());
    kernels::RmsNormGated<T> a{.x = matrix<const T>(in), .z = matrix<const T>(gate), .w = pointer<const T>(weight),
                               .groups = groups, .eps = T(eps), .norm_before_gate = norm_before_gate};
    a.y = matrix<T>(y), a.r = r.data<T>();
    KERNEL(rms_norm_gated_fwd, T)(x.device(), a);
    return record("rms_norm_gated", y, {x, z, w}, [a, in = std::move(in), gate = std::move(gate), weight = std::move(weight),
                                                   r = std::move(r)](const Adjoints& g) {
      auto b = a;
      const Tensor dy = g.take(0).with_even_rows(), dw = g.in(2);
      const auto x_gradient = g.onto(0, dy), z_gradient = g.onto(1, {});
      b.dy = matrix<const T>(dy), b.dw = pointer<T>(dw);
      b.before_x = matrix<const T>(x_gradient.before), b.dx = matrix<T>(x_gradient.into);
      b.before_z = matrix<const T>(z_gradient.before), b.dz = matrix<T>(z_gradient.into);
      KERNEL(rms_norm_gated_bwd, T)(in.device(), b);
    }, {.exps = double(y.size()), .backward_exps = double(y.size())});
  });
}

}  // namespace adder::ops
