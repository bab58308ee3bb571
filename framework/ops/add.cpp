#include "framework/ops/add.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "kernels/add/add.h"

namespace adder::ops {

Var add(const Var& a, const Var& b) {
  const Shapes check{"add"};
  check.same("a", a, "b", b);
  check.one_dtype({&a, &b});

  return by_dtype(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor left = a.value().with_even_rows(), right = b.value().with_even_rows(),
                 y = Tensor::like(a.value());
    KERNEL(add_fwd, T)(a.device(), {matrix<const T>(left), matrix<const T>(right), matrix<T>(y)});
    return record("add", y, {a, b}, [](const Adjoints& g) {
      const Tensor dy = g.out(0);
      g.give(0, dy);
      g.give(1, dy);
    }, {.backward_bytes = 0});  // the adjoint is handed on
  });
}

}  // namespace adder::ops
