// What the Jacobians of gated recurrences are made of, op by op (Mixer::tangent).
#pragma once
#include "framework/core/tape.h"

namespace adder {

// h_{t-1} at place t of h (B, L, H); at the first place h0 (B, H), or zero where it is undefined.
Var one_step_before(const Var& h, const Var& h0);

// x (B, L, C), each row k times, by step: (L, B, k, C); what a Jacobian multiplies k vectors by. And its step t: (B, k, C).
Var beside_vectors(const Var& x, int64_t k);
Var at_step(const Var& beside, int64_t t);

Var one_minus(const Var& x);
Var minus(const Var& a, const Var& b);
Var slope_of_sigmoid(const Var& s);  // s (1 - s), from the value
Var slope_of_tanh(const Var& y);     // 1 - y^2, from the value

// a, b (B, k, H) side by side: (B, k, 2H).
Var joined_vectors(const Var& a, const Var& b);

}  // namespace adder
