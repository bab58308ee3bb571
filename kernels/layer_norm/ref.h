// The definition, read straight off layer_norm.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: x [rows, columns], w [columns], b [columns] or left out; out: y
template <class T>
Arrays<T> layer_norm(const Arrays<T>& in, double eps) {
  const Array<T>&x = in[0], &w = in[1], &b = in[2];
  const auto [rows, columns] = dims<2>(x);
  Array<T> y({rows, columns});
  for (int64_t i = 0; i < rows; ++i) {
    T mean{}, squares{};
    for (int64_t j = 0; j < columns; ++j) mean += x(i, j) / double(columns);
    for (int64_t j = 0; j < columns; ++j) squares += (x(i, j) - mean) * (x(i, j) - mean);
    const T r = 1.0 / sqrt(squares / double(columns) + eps);
    for (int64_t j = 0; j < columns; ++j) y(i, j) = (x(i, j) - mean) * r * w(j) + (b.present() ? b(j) : T{});
  }
  return {y};
}

}  // namespace kernels::ref
