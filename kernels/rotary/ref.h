// The definition, read straight off rotary.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: x [batch, length, heads * dim], cos, sin [positions, dim / 2]; out: y
template <class T>
Arrays<T> rotary(const Arrays<T>& in, int64_t heads, bool interleaved, const std::vector<int32_t>& positions) {
  const Array<T>&x = in[0], &cosine = in[1], &sine = in[2];
  const auto [batch, length, width] = dims<3>(x);
  const int64_t dim = width / heads, half = dim / 2;
  Array<T> y({batch, length, width});
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < length; ++t)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t i = 0; i < half; ++i) {
          const int64_t p = positions[size_t(b * length + t)];
          const int64_t one = h * dim + (interleaved ? 2 * i : i), two = one + (interleaved ? 1 : half);
          y(b, t, one) = x(b, t, one) * cosine(p, i) - x(b, t, two) * sine(p, i);
          y(b, t, two) = x(b, t, two) * cosine(p, i) + x(b, t, one) * sine(p, i);
        }
  return {y};
}

}  // namespace kernels::ref
