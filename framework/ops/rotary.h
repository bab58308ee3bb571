// Rotary positions (kernels/rotary/rotary.h has the equation).
//   x (B, L, heads dh), positions int32 (B, L), tables of angles; y as x. interleaved: the pairs (2i, 2i + 1) of GPT-J,
//   otherwise (i, i + dh / 2) of Llama and GPT-NeoX.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

// cos and sin of position * base^(-2i / dh), (places, dh / 2), computed in double. dh must be even.
struct RotaryTables {
  Tensor cos, sin;
};
RotaryTables rotary_tables(int64_t places, int64_t head_dim, double base, DType dtype);

Var rotary(const Var& x, const Tensor& positions, const RotaryTables& tables, int64_t heads, bool interleaved);

}  // namespace adder::ops
