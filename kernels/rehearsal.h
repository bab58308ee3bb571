// A rehearsal: while one lives, kernels return at once and tensors of floats are addresses without memory behind them,
// so that a whole training step passes in milliseconds, whatever its size. What it would allocate and compute is counted
// as ever; values mean nothing. Integers are real, since shapes and places hang on them. One at a time, on one thread.
#pragma once
#include <cstddef>

namespace kernels {

class Rehearsal {
 public:
  Rehearsal();
  ~Rehearsal();
  Rehearsal(const Rehearsal&) = delete;
  Rehearsal& operator=(const Rehearsal&) = delete;
};

bool rehearsing();

// Zeroed memory that costs nothing until it is written to; throws std::bad_alloc.
void* reserve(size_t bytes);
void release_reserved(void* memory, size_t bytes);

}  // namespace kernels
