// y = f(x), element by element; x of any shape. The functions stand in kernels/activation/activation.h.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

Var silu(const Var& x);
Var gelu_tanh(const Var& x);
Var gelu_erf(const Var& x);
Var relu(const Var& x);
Var relu_squared(const Var& x);
Var sigmoid(const Var& x);
Var tanh(const Var& x);
Var softplus(const Var& x);
Var neg_exp(const Var& x);  // -e^x
Var exp(const Var& x);
Var sin(const Var& x);
Var cos(const Var& x);

}  // namespace adder::ops
