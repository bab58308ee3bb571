// Rows split into blocks by their number alone, for gradients that sum over rows: each block sums its own rows in
// order, then the blocks' partial sums are added in order. The same bits on any number of threads.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "kernels/parallel.h"

namespace kernels {

constexpr int64_t kRowBlock = 32;

inline int64_t row_blocks(int64_t rows) { return (rows + kRowBlock - 1) / kRowBlock; }

// task(first row, last row, partial) for each block, `partial` being K zeroed rows of n; then row k of the partials is added to
// sums[k], in order of block. A null sum is left out; where all are, partial is null.
template <size_t K, class T, class F>
void sum_over_rows(int64_t rows, int64_t n, const std::array<T*, K>& sums, F&& task) {
  const bool wanted = std::any_of(sums.begin(), sums.end(), [](T* sum) { return sum != nullptr; });
  const int64_t blocks = row_blocks(rows), size = wanted ? int64_t(K) * n : 0;
  std::vector<T> partials(size_t(blocks * size), T(0));
  parallel_blocks(rows, kRowBlock,
                  [&](int64_t first, int64_t last) {
                    // one call may cover several blocks when the work stays on this thread
                    for (int64_t b = first / kRowBlock; b * kRowBlock < last; ++b) {
                      const int64_t end = (b + 1) * kRowBlock < last ? (b + 1) * kRowBlock : last;
                      task(b * kRowBlock, end, partials.data() + b * size);
                    }
                  });
  for (size_t k = 0; k < K; ++k)
    for (int64_t b = 0; sums[k] && b < blocks; ++b)
      for (int64_t i = 0; i < n; ++i) sums[k][i] += partials[size_t(b * size + int64_t(k) * n + i)];
}
template <class T, class F>
void sum_over_rows(int64_t rows, int64_t n, T* sum, F&& task) {
  sum_over_rows(rows, n, std::array<T*, 1>{sum}, task);
}

}  // namespace kernels
