// What a recurrence needs that is recorded step by step.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

// L tensors (B,H), one a step, as one sequence (B,L,H). Backward hands each step a view of the adjoint.
Var stack_time(const std::vector<Var>& steps);

// x (B,H) with the rows of zeros where `starts` int32 (B) is not 0, whatever stood there, and x elsewhere. Nothing
// flows back to those rows either.
Var clear_rows(const Var& x, const Tensor& starts);

}  // namespace adder::ops
