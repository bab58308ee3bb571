// Where an op's backward writes its output once more, for those who await it instead of keeping it (Adjoints::await).
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

// Undefined where nobody awaits output 0. Over x, an input that was kept for this backward, where nobody else has it: the kernel
// reads an element (a norm: a row) for the last time before it writes it.
inline Tensor again_over(const Tensor& x, const Adjoints& g) {
  if (!g.awaited(0)) return {};
  return x.shares_storage() ? Tensor::like(x) : x;
}

}  // namespace adder::ops
