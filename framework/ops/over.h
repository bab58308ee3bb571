// Outputs that may be written over an input, element for element, once the op has read it.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

// Memory of x's shape: its own where nobody else holds it or will look at it, and its elements lie side by side; else new. An op
// that calls it takes x by value, so that a caller can hand it over.
inline Tensor over(const Var& x) {
  const bool ours = !x.value().shares_storage() && x.value().contiguous() && !(x.tape() && x.tape()->observed());
  return ours ? x.value() : Tensor::like(x.value());
}

}  // namespace adder::ops
