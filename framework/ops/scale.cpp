#include "framework/ops/scale.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "kernels/scale/scale.h"

namespace adder::ops {
namespace {

Var scale(const char* op, const Var& x, const Var& s, bool by_row) {
  return by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor in = x.value().with_even_rows(), factors = dense(s.value()), y = Tensor::like(x.value());
    kernels::Scale<T> a{.by_row = by_row, .x = matrix<const T>(in), .s = pointer<const T>(factors)};
    a.y = matrix<T>(y);
    KERNEL(scale_fwd, T)(x.device(), a);
    return record(op, y, {x, s}, [a, in, factors](const Adjoints& g) {
      auto b = a;
      const Tensor dy = g.out(0).with_even_rows(), dx = g.in(0), ds = g.in_dense(1);
      b.dy = matrix<const T>(dy), b.dx = matrix<T>(dx), b.ds = pointer<T>(ds);
      KERNEL(scale_bwd, T)(in.device(), b);
    });
  });
}

}  // namespace

Var scale_columns(const Var& x, const Var& s) {
  const Shapes check{"scale_columns"};
  const int64_t n = check("s", s, {"columns"})[0];
  check.last("x", x, n);
  check.one_dtype({&x, &s});
  return scale("scale_columns", x, s, false);
}

Var scale_rows(const Var& x, const Var& s) {
  const Shapes check{"scale_rows"};
  const int64_t rows = check("x", x, {"rows", "columns"})[0];
  check("s", s, {rows});
  check.one_dtype({&x, &s});
  return scale("scale_rows", x, s, true);
}

}  // namespace adder::ops
