#include "framework/ops/gated.h"

#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/remake.h"
#include "framework/ops/view.h"
#include "kernels/gated/gated.h"

namespace adder::ops {
namespace {

Var gated(const char* name, kernels::GateKind kind, const Var& gate, const Var& up) {
  return by_dtype(gate.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor y = Tensor::like(gate.value());
    Tensor x = gate.value().with_even_rows(), value = up.value().with_even_rows();
    kernels::Gated<T> a{.kind = kind, .gate = matrix<const T>(x), .up = matrix<const T>(value)};
    a.y = matrix<T>(y);
    KERNEL(gated_fwd, T)(gate.device(), a);
    return remaking(record(name, y, {gate, up}, [a, x = std::move(x), value = std::move(value)](const Adjoints& g) {
      auto b = a;
      b.overwrite = g.begin_together({0, 1});
      const Tensor dy = g.out(0).with_even_rows(), dgate = g.in(0), dup = g.in(1), again = again_over(x, g);
      b.dy = matrix<const T>(dy), b.dgate = matrix<T>(dgate), b.dup = matrix<T>(dup), b.y = matrix<T>(again);
      KERNEL(gated_bwd, T)(x.device(), b);
      g.remake(0, again);
    }, {.exps = double(y.size()), .backward_exps = double(y.size())}));
  });
}

}  // namespace

Var swiglu(const Var& gate, const Var& up) {
  const Shapes check{"swiglu"};
  check.same("gate", gate, "up", up);
  check.one_dtype({&gate, &up});
  return gated("swiglu", kernels::GateKind::silu, gate, up);
}

Var glu(const Var& x) {
  const Shapes check{"glu"};
  const int64_t columns = check.last("x", x, "2 n");
  check.one_dtype({&x});
  if (columns % 2) check.fail("x has shape " + to_string(x.shape()) + ", expected an even last axis");
  const auto halves = split(x, {columns / 2, columns / 2});
  return gated("glu", kernels::GateKind::sigmoid, halves[1], halves[0]);
}

}  // namespace adder::ops
