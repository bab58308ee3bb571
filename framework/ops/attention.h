// Causal attention (kernels/attention/attention.h has the equation); never stores a (T, T) matrix.
//   q (B, L, H dh); k, v (B, C, Hkv dh), C at least past + L; scale dh^-0.5; y (B, L, H dh)
// past int32 (B), or undefined (0): keys that stand before query 0's. first int32 (B, L), or undefined (0): the first
// key that each query sees; the last one is past + t. Rows of k and v outside are not used.
// k and v may be bfloat16, q float32 and nothing recorded: the same bits as of those numbers in float32.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

struct AttentionHeads {
  int64_t heads, kv_heads;
};
Var attention(const Var& q, const Var& k, const Var& v, const AttentionHeads& h, const Tensor& past = {},
              const Tensor& first = {});

}  // namespace adder::ops
