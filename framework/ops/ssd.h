// State space duality, the heart of Mamba-2, in chunked matrix form (kernels/ssd/ssd.h has the equation).
// Heads lie side by side in the last axis, and groups in that of B and C, as a projection leaves them: any input may
// be a view of a wider one, and nothing is copied.
#pragma once
#include <limits>

#include "framework/core/tape.h"

namespace adder::ops {

struct SsdInputs {
  Var x;             // (batch, length, heads * head_dim)
  Var dt;            // (batch, length, heads)             before softplus
  Var A;             // (heads)                            below 0, or the state grows
  Var B, C;          // (batch, length, groups * state)
  Var D;             // (heads)                            optional
  Var dt_bias;       // (heads)                            optional
  Var h0;            // (batch, heads, head_dim, state)    optional: zero
  Tensor resets;     // (batch, length) int32              optional: not 0 where a document starts
};

struct SsdOptions {
  int64_t groups = 1;                                           // of heads that share B and C
  int64_t chunk_size = 64;                                      // moves results by rounding alone
  double dt_min = 0, dt_max = std::numeric_limits<double>::infinity();  // softplus(dt + dt_bias) is kept between
};

struct SsdResult {
  Var y;             // (batch, length, heads * head_dim)
  Var last;          // (batch, heads, head_dim, state)
};

SsdResult ssd(const SsdInputs& in, const SsdOptions& options = {});

}  // namespace adder::ops
