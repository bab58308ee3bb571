// Some elements set to 0, the others scaled up to keep the mean (Srivastava et al., 2014).
//   y[i] = kept[i] ? scale x[i] : 0        dx[i] += kept[i] ? scale dy[i] : 0
#pragma once
#include "kernels/matrix.h"

namespace kernels {

template <class T>
struct Dropout {
  Matrix<const T> x;               // [rows, columns]; in backward the adjoint of y
  const int32_t* kept = nullptr;   // bit i % 32 of word i / 32, i = row * columns + column
  T scale = 1;                     // 1 / (1 - p)
  Matrix<T> y{};                   // [rows, columns]   written by forward; backward adds into it
};

namespace cpu {
template <class T> void dropout_fwd(const Dropout<T>&);
template <class T> void dropout_bwd(const Dropout<T>&);
}  // namespace cpu
}  // namespace kernels
