#include "framework/ops/activation.h"

#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/remake.h"
#include "kernels/activation/activation.h"

namespace adder::ops {
namespace {

using Kind = kernels::ActivationKind;

Var activation(const char* name, Kind kind, const Var& x) {
  const Shapes check{name};
  if (!x.defined()) check.fail("x is missing");
  check.one_dtype({&x});

  return by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor y = Tensor::like(x.value());
    Tensor in = x.value().with_even_rows();
    kernels::Activation<T> a{.kind = kind, .x = matrix<const T>(in)};
    a.y = matrix<T>(y);
    KERNEL(activation_fwd, T)(x.device(), a);
    const double exps = kernels::takes_exp(kind) ? double(y.size()) : 0;
    return remaking(record(name, y, {x}, [a, in = std::move(in)](const Adjoints& g) {
      auto b = a;
      const Tensor dy = g.take(0).with_even_rows(), again = again_over(in, g);
      const auto [before, dx] = g.onto(0, dy);
      b.dy = matrix<const T>(dy), b.before = matrix<const T>(before), b.dx = matrix<T>(dx), b.y = matrix<T>(again);
      KERNEL(activation_bwd, T)(in.device(), b);
      g.remake(0, again);
    }, {.exps = exps, .backward_exps = exps}));
  });
}

}  // namespace

Var silu(const Var& x) { return activation("silu", Kind::silu, x); }
Var gelu_tanh(const Var& x) { return activation("gelu_tanh", Kind::gelu_tanh, x); }
Var gelu_erf(const Var& x) { return activation("gelu_erf", Kind::gelu_erf, x); }
Var relu(const Var& x) { return activation("relu", Kind::relu, x); }
Var relu_squared(const Var& x) { return activation("relu_squared", Kind::relu_squared, x); }
Var sigmoid(const Var& x) { return activation("sigmoid", Kind::sigmoid, x); }
Var tanh(const Var& x) { return activation("tanh", Kind::tanh, x); }
Var softplus(const Var& x) { return activation("softplus", Kind::softplus, x); }
Var neg_exp(const Var& x) { return activation("neg_exp", Kind::neg_exp, x); }
Var exp(const Var& x) { return activation("exp", Kind::exp, x); }
Var sin(const Var& x) { return activation("sin", Kind::sin, x); }
Var cos(const Var& x) { return activation("cos", Kind::cos, x); }

}  // namespace adder::ops
