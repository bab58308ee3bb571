// The Jacobians J_t = d h_t / d h_{t-1} of a recurrence along a pass, as recorded ops: a loss made of them (flossing) has a
// gradient, by the weights and by the states at which they are taken.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "framework/core/tape.h"

namespace adder {

struct Tangent {
  int64_t size = 0;  // n, the numbers of a state; 0: the mixer tells none
  DType dtype = DType::f32;
  // J_t v for each of k vectors a row, v (B, k, n), to the same shape; t counts from the pass's first token.
  std::function<Var(int64_t t, const Var& v)> times = nullptr;
};

// What is asked of a pass, and what the blocks that have a recurrence answer.
struct Tangents {
  int64_t sequences = 1, steps = 1;  // rows of the batch, from the first, and tokens of each; no more than there are
  int64_t vectors = 1;               // k, at most; fewer where a state is smaller
  std::map<std::string, Tangent> by_block = {};  // "blocks.0"
};

}  // namespace adder
