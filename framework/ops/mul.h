// y = a * b, elementwise, both of one shape: a gate.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

Var mul(const Var& a, const Var& b);

}  // namespace adder::ops
