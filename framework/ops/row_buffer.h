// Rows that a sequence leaves for later, each row of a batch with a count of its own: an attention's cache. Of
// float32, float64 or bfloat16.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

// buffer (B, C, n), counts int32 (B), x (B, L, n): the buffer with x[b] at rows counts[b] … counts[b] + L - 1, its
// rows grown by doubling where they are too few; what stands beyond is 0. Where nothing is recorded and nobody else
// holds the buffer, it is written in place: a token costs no copy of what came before.
Var append_rows(Var buffer, const Tensor& counts, const Var& x);

// y[b, i] = x[b, starts[b] + i] for i < counts[b], else 0; y (B, max counts, n). starts, counts int32 (B).
Var take_rows(const Var& x, const Tensor& starts, const Tensor& counts);

}  // namespace adder::ops
