// The definition, read straight off ssd.h: the recurrence, one step after another.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: x [batch, length, heads * head_dim], delta [batch, length, heads], A [heads],
// B, C [batch, length, groups * state], then D [heads], dt_bias [heads], h0 [batch, heads, head_dim, state], each of
// these three may be absent. out: y, last
template <class T>
Arrays<T> ssd(const Arrays<T>& in, int64_t groups, double dt_min, double dt_max, const std::vector<int>& resets) {
  const Array<T>&x = in[0], &delta = in[1], &A = in[2], &B = in[3], &C = in[4];
  const Array<T>&D = in[5], &bias = in[6], &h0 = in[7];
  const auto [batch, length, heads] = dims<3>(delta);
  const int64_t head_dim = x.dim(2) / heads, state = B.dim(2) / groups;
  Array<T> y({batch, length, heads * head_dim}), S({batch, heads, head_dim, state});
  if (h0.present()) S = h0;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < length; ++t)
      for (int64_t h = 0; h < heads; ++h) {
        T dt = softplus(delta(b, t, h) + (bias.present() ? bias(h) : T{}));
        if (real(dt) < dt_min) dt = dt_min;
        if (real(dt) > dt_max) dt = dt_max;
        const int64_t g = h / (heads / groups);
        for (int64_t p = 0; p < head_dim; ++p) {
          const T u = x(b, t, h * head_dim + p);
          T out = D.present() ? D(h) * u : T{};
          for (int64_t n = 0; n < state; ++n) {
            if (!resets.empty() && resets[size_t(b * length + t)]) S(b, h, p, n) = T{};
            S(b, h, p, n) = exp(dt * A(h)) * S(b, h, p, n) + dt * u * B(b, t, g * state + n);
            out += C(b, t, g * state + n) * S(b, h, p, n);
          }
          y(b, t, h * head_dim + p) = out;
        }
      }
  return {y, S};
}

}  // namespace kernels::ref
