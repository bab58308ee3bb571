// sum[j] += sum_i x[i,j], rows in blocks of fixed size, blocks in order: the gradient of a bias.
#pragma once
#include "kernels/matrix.h"

namespace kernels {

template <class T>
struct ColumnSum {
  Matrix<const T> x;   // [rows, columns]
  T* sum = nullptr;    // [columns]   added to
};

namespace cpu {
template <class T> void column_sum(const ColumnSum<T>&);
}  // namespace cpu
}  // namespace kernels
