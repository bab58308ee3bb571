// The definition, read straight off softmax.h.
#pragma once
#include <algorithm>

#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: x [rows, columns]; out: y
template <class T>
Arrays<T> softmax(bool logarithm, const Arrays<T>& in) {
  const Array<T>& x = in[0];
  const auto [rows, columns] = dims<2>(x);
  Array<T> y({rows, columns});
  for (int64_t i = 0; i < rows; ++i) {
    double peak = real(x(i, 0));
    for (int64_t j = 0; j < columns; ++j) peak = std::max(peak, real(x(i, j)));
    T sum{};
    for (int64_t j = 0; j < columns; ++j) sum += exp(x(i, j) - peak);
    for (int64_t j = 0; j < columns; ++j)
      y(i, j) = logarithm ? x(i, j) - peak - log(sum) : exp(x(i, j) - peak) / sum;
  }
  return {y};
}

}  // namespace kernels::ref
