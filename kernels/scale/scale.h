// A factor for each column, or for each row, of a matrix.
//   by column: y[r,c] = x[r,c] s[c]        by row: y[r,c] = x[r,c] s[r]
// Backward: dx += dy s,  ds += sum of dy x over the rows (the columns), in an order that the shape alone decides.
#pragma once
#include "kernels/matrix.h"

namespace kernels {

template <class T>
struct Scale {
  bool by_row = false;
  Matrix<const T> x;     // [rows, columns]
  const T* s = nullptr;  // [columns] or [rows]
  Matrix<T> y{};         // [rows, columns]   written by forward
  Matrix<const T> dy{};  // read by backward
  Matrix<T> dx{};        // backward adds into these; null: not wanted
  T* ds = nullptr;
};

namespace cpu {
template <class T> void scale_fwd(const Scale<T>&);
template <class T> void scale_bwd(const Scale<T>&);
}  // namespace cpu
}  // namespace kernels
