// The definition, read straight off resolvent.h, by Gauss-Jordan elimination.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: x [n, n]; out: (I - x)^-1
template <class T>
Arrays<T> resolvent(const Arrays<T>& in) {
  const int64_t n = in[0].dim(0);
  Array<T> left({n, n}), right({n, n});
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      left(i, j) = (i == j ? 1.0 : 0.0) - in[0](i, j);
      right(i, j) = i == j ? 1.0 : 0.0;
    }
  for (int64_t column = 0; column < n; ++column) {
    int64_t pivot = column;
    for (int64_t i = column; i < n; ++i)
      if (std::abs(real(left(i, column))) > std::abs(real(left(pivot, column)))) pivot = i;
    for (int64_t j = 0; j < n; ++j) {
      std::swap(left(pivot, j), left(column, j));
      std::swap(right(pivot, j), right(column, j));
    }
    const T scale = 1.0 / left(column, column);
    for (int64_t j = 0; j < n; ++j) left(column, j) *= scale, right(column, j) *= scale;
    for (int64_t i = 0; i < n; ++i) {
      if (i == column) continue;
      const T factor = left(i, column);
      for (int64_t j = 0; j < n; ++j) {
        left(i, j) -= factor * left(column, j);
        right(i, j) -= factor * right(column, j);
      }
    }
  }
  return {right};
}

}  // namespace kernels::ref
