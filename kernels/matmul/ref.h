// The definition, read straight off matmul.h.
#pragma once
#include "kernels/array.h"

namespace kernels::ref {

// in: x [rows, k], w [n, k], b [n] or absent; out: y = x w^T + b
template <class T>
Arrays<T> linear(const Arrays<T>& in) {
  const Array<T>&x = in[0], &w = in[1];
  const auto [rows, k] = dims<2>(x);
  const int64_t n = w.dim(0);
  Array<T> y({rows, n});
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < n; ++j) {
      T s = in.size() > 2 && in[2].present() ? in[2](j) : T{};
      for (int64_t e = 0; e < k; ++e) s += x(i, e) * w(j, e);
      y(i, j) = s;
    }
  return {y};
}

}  // namespace kernels::ref
