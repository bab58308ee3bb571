#include "framework/ops/softmax.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "kernels/softmax/softmax.h"

namespace adder::ops {
namespace {

Var over_last_axis(const char* name, bool logarithm, const Var& x) {
  const Shapes check{name};
  check.last("x", x, "n");
  check.one_dtype({&x});

  return by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor in = x.value().with_even_rows(), y = Tensor::like(x.value());
    kernels::Softmax<T> a{.logarithm = logarithm, .x = matrix<const T>(in)};
    a.y = matrix<T>(y);
    KERNEL(softmax_fwd, T)(x.device(), a);
    return record(name, y, {x}, [a, y](const Adjoints& g) {
      auto b = a;
      const Tensor dy = g.out(0).with_even_rows(), dx = g.in(0);
      b.x.data = nullptr, b.dy = matrix<const T>(dy), b.dx = matrix<T>(dx);
      KERNEL(softmax_bwd, T)(y.device(), b);
    }, {.exps = double(y.size()), .backward_exps = logarithm ? double(y.size()) : 0});
  });
}

}  // namespace

Var softmax(const Var& x) { return over_last_axis("softmax", false, x); }
Var log_softmax(const Var& x) { return over_last_axis("log_softmax", true, x); }

}  // namespace adder::ops
