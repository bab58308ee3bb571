#include "framework/ops/mul.h"

#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "kernels/mul/mul.h"

namespace adder::ops {

Var mul(const Var& a, const Var& b) {
  const Shapes check{"mul"};
  check.same("a", a, "b", b);
  check.one_dtype({&a, &b});

  return by_dtype(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor y = Tensor::like(a.value());
    Tensor left = a.value().with_even_rows(), right = b.value().with_even_rows();
    KERNEL(mul_fwd, T)(a.device(), {.a = matrix<const T>(left), .b = matrix<const T>(right), .y = matrix<T>(y)});
    return record("mul", y, {a, b}, [left = std::move(left), right = std::move(right)](const Adjoints& g) {
      const Tensor dy = g.out(0).with_even_rows(), da = g.in(0), db = g.in(1);
      KERNEL(mul_bwd, T)(left.device(), {.a = matrix<const T>(left), .b = matrix<const T>(right),
                                         .dy = matrix<const T>(dy), .da = matrix<T>(da), .db = matrix<T>(db)});
    });
  });
}

}  // namespace adder::ops
