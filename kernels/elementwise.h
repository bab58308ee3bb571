// Rows and columns cut into runs of about 16k elements for elementwise kernels; tiny tensors stay on the
// calling thread. Elements don't meet, so where the cuts lie can't change a bit.
#pragma once
#include <cstdint>

#include "kernels/parallel.h"

namespace kernels {

constexpr int64_t kRunElements = 16384;

// f(row, first column, count) until everything is covered. `one_row`: the rows lie end to end in memory.
template <class F>
void for_each_run(int64_t rows, int64_t columns, bool one_row, F f) {
  if (one_row) columns *= rows, rows = rows > 0 ? 1 : 0;
  if (rows <= 0 || columns <= 0) return;
  if (columns >= kRunElements) {
    const int64_t runs = (columns + kRunElements - 1) / kRunElements;
    parallel_for(rows * runs, [&](int64_t i) {
      const int64_t first = i % runs * kRunElements;
      f(i / runs, first, first + kRunElements < columns ? kRunElements : columns - first);
    });
    return;
  }
  parallel_blocks(rows, kRunElements / columns, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) f(r, int64_t{0}, columns);
  });
}

// How many rows of n elements make a block of work.
inline int64_t rows_a_block(int64_t n) { return n >= kRunElements ? 1 : kRunElements / (n > 0 ? n : 1); }

// Asks early for memory that is written in place. A line that was read first has to be asked for once more before it may be
// written, and nothing hides that wait: GELU's gradient over its adjoint took three times as long without.
template <class T>
inline void fetch_to_write(const T* p) {
  constexpr int64_t kAhead = 2048;  // bytes
  __builtin_prefetch(reinterpret_cast<const char*>(p) + kAhead, 1);
}

}  // namespace kernels
