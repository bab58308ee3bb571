// Rows split into blocks by their number alone, for gradients that sum over rows: each block sums its own rows in
// order, then the blocks' partial sums are added in order. The same bits on any number of threads.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/parallel.h"

namespace kernels {

constexpr int64_t kRowBlock = 32;

inline int64_t row_blocks(int64_t rows) { return (rows + kRowBlock - 1) / kRowBlock; }

// task(block, first row, last row, partial[n], zeroed) for each block; then sum[i] += partials in order of block.
template <class T, class F>
void sum_over_rows(int64_t rows, int64_t n, T* sum, F&& task) {
  const int64_t blocks = row_blocks(rows);
  std::vector<T> partials(size_t(blocks * n), T(0));
  parallel_blocks(rows, kRowBlock,
                  [&](int64_t first, int64_t last) {
                    // one call may cover several blocks when the work stays on this thread
                    for (int64_t b = first / kRowBlock; b * kRowBlock < last; ++b) {
                      const int64_t end = (b + 1) * kRowBlock < last ? (b + 1) * kRowBlock : last;
                      task(b * kRowBlock, end, partials.data() + b * n);
                    }
                  });
  for (int64_t b = 0; b < blocks; ++b)
    for (int64_t i = 0; i < n; ++i) sum[i] += partials[size_t(b * n + i)];
}

}  // namespace kernels
