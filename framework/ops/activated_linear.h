// A linear layer of activated inputs, as at the end of an MLP: y = f(x) w^T + b.
// x (..., k), w (n, k), b (n) or nothing; y (..., n). f: kernels/activation/activation.h. Gradients for all of them.
// f(x) is never stored whole: it is computed for some rows at a time, forward and once more backward, where the gradient of x is
// written over an x that nobody else holds (hand it over: std::move). The numbers are those of the two ops by themselves.
#pragma once
#include "framework/core/tape.h"
#include "kernels/activation/activation.h"

namespace adder::ops {

Var activated_linear(kernels::ActivationKind f, Var x, const Var& w, const Var& b);

}  // namespace adder::ops
