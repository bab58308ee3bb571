// The squared error of numbers, the loss of a regression.
//   loss[i] = (y[i] - target[i])^2        backward: dy[i] += 2 scale (y[i] - target[i])
// A row whose label is `ignored` has loss 0 and no gradient.
#pragma once
#include "kernels/matrix.h"

namespace kernels {

template <class T>
struct SquaredError {
  Matrix<const T> y;                // [rows, 1]
  const T* target = nullptr;        // [rows]
  const int32_t* labels = nullptr;  // [rows]
  int32_t ignored = -100;
  double* loss = nullptr;           // [rows]   written by forward
  double scale = 0;                 // adjoint of each row's loss
  Matrix<T> dy{};                   // [rows, 1]   backward adds into it
};

namespace cpu {
template <class T> void squared_error_fwd(const SquaredError<T>&);
template <class T> void squared_error_bwd(const SquaredError<T>&);
}  // namespace cpu
}  // namespace kernels
