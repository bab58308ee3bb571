// The definition, read straight off rms_norm_gated.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: x, z [rows, columns], w [columns]; out: y
template <class T>
Arrays<T> rms_norm_gated(const Arrays<T>& in, int64_t groups, double eps, bool norm_before_gate) {
  const Array<T>&x = in[0], &z = in[1], &w = in[2];
  const auto [rows, columns] = dims<2>(x);
  const int64_t n = columns / groups;
  Array<T> y({rows, columns});
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t g = 0; g < groups; ++g) {
      const auto v = [&](int64_t j) { return norm_before_gate ? x(i, j) : x(i, j) * silu(z(i, j)); };
      T squares{};
      for (int64_t j = g * n; j < (g + 1) * n; ++j) squares += v(j) * v(j);
      const T r = 1.0 / sqrt(squares / double(n) + eps);
      for (int64_t j = g * n; j < (g + 1) * n; ++j)
        y(i, j) = v(j) * r * w(j) * (norm_before_gate ? silu(z(i, j)) : T(1));
    }
  return {y};
}

}  // namespace kernels::ref
