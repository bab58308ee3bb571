// M = (I - x)^-1 for a square x (n, n): half of the bilinear transform, (I - x)^-1 (I + x) = 2 M - I.
// Not finite where I - x is singular.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

Var resolvent(const Var& x);

}  // namespace adder::ops
