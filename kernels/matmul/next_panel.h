// Asking early for the part of B that comes next.
#pragma once
#include <algorithm>
#include <utility>

#include "kernels/fetch.h"
#include "kernels/matmul/matmul.h"

namespace kernels {

// Whether packing a panel by itself, as a warm one is, touches few pages for what it takes from each: rows of B that lie near each
// other cost few misses of the TLB, its columns none.
template <class T>
bool packs_alone(const MatMul<T>& p) {
  constexpr int64_t kNearRow = 2048;  // elements
  return p.b_col != 1 || p.b_row <= kNearRow;
}

// Lines of B that the next panel, of up to `most` columns, is made of, asked for while one is multiplied: where few rows meet B,
// reading it takes as long as that. Nothing where B is small enough to lie in a cache.
template <class T>
struct NextPanel {
  static constexpr int64_t kLine = 64 / int64_t(sizeof(T)), kFarFrom = 2 << 20;  // bytes of a B that the second-level cache does not keep
  const T* data;
  int64_t stride, width, rows, at = 0;  // as B lies in memory; `at`: the next line

  NextPanel(const MatMul<T>& p, int64_t k, int64_t depth, int64_t column, int64_t most)
      : data(p.b + k * p.b_row + column * p.b_col), stride(p.b_row), width(std::min(most, p.n - column)), rows(depth) {
    if (p.b_col != 1) stride = p.b_col, std::swap(width, rows);
    if (column >= p.n || p.n * p.k * int64_t(sizeof(T)) < kFarFrom) rows = 0;
  }
  int64_t lines_of_row() const { return (width + kLine - 1) / kLine; }
  int64_t lines() const { return rows * lines_of_row(); }
  // How many to ask for with each of `tiles`.
  int64_t share(int64_t tiles) const { return (lines() + tiles - 1) / tiles; }
  HWY_INLINE void fetch(int64_t count) {
    for (const int64_t end = std::min(lines(), at + count); at < end;) {
      const int64_t row = at / lines_of_row(), first = at % lines_of_row(), some = std::min(end - at, lines_of_row() - first);
      kernels::fetch(data + row * stride + first * kLine, some * kLine);
      at += some;
    }
  }
};

}  // namespace kernels
