// The definition, read straight off rms_norm.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: x [rows, columns], w [columns]; out: y
template <class T>
Arrays<T> rms_norm(const Arrays<T>& in, double eps) {
  const Array<T>&x = in[0], &w = in[1];
  const auto [rows, columns] = dims<2>(x);
  Array<T> y({rows, columns});
  for (int64_t i = 0; i < rows; ++i) {
    T squares{};
    for (int64_t j = 0; j < columns; ++j) squares += x(i, j) * x(i, j);
    const T r = 1.0 / sqrt(squares / double(columns) + eps);
    for (int64_t j = 0; j < columns; ++j) y(i, j) = x(i, j) * r * w(j);
  }
  return {y};
}

}  // namespace kernels::ref
