// Sum of two arrays of one shape (a residual connection).
//   y = a + b        backward: the adjoint of y is that of a and of b
#pragma once
#include "kernels/matrix.h"

namespace kernels {

template <class T>
struct Add {
  Matrix<const T> a, b;  // [rows, columns]
  Matrix<T> y;           // [rows, columns]
};

namespace cpu {
template <class T> void add_fwd(const Add<T>&);
}  // namespace cpu
}  // namespace kernels
