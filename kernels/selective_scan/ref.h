// The definition, read straight off selective_scan.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: u, delta [batch, length, channels], A [channels, state], B, C [batch, length, state], then D [channels],
// z [batch, length, channels], delta_bias [channels], h0 [batch, channels, state], each of these four may be absent.
// out: y, last
template <class T>
Arrays<T> selective_scan(const Arrays<T>& in, bool use_softplus, const std::vector<int>& resets) {
  const Array<T>&u = in[0], &delta = in[1], &A = in[2], &B = in[3], &C = in[4];
  const Array<T>&D = in[5], &z = in[6], &bias = in[7], &h0 = in[8];
  const auto [batch, length, channels] = dims<3>(u);
  const int64_t state = A.dim(1);
  Array<T> y({batch, length, channels}), h({batch, channels, state});
  if (h0.present()) h = h0;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < length; ++t)
      for (int64_t d = 0; d < channels; ++d) {
        T dt = delta(b, t, d) + (bias.present() ? bias(d) : T{});
        if (use_softplus) dt = softplus(dt);
        T out = D.present() ? D(d) * u(b, t, d) : T{};
        for (int64_t n = 0; n < state; ++n) {
          if (!resets.empty() && resets[size_t(b * length + t)]) h(b, d, n) = T{};
          h(b, d, n) = exp(dt * A(d, n)) * h(b, d, n) + dt * B(b, t, n) * u(b, t, d);
          out += C(b, t, n) * h(b, d, n);
        }
        y(b, t, d) = z.present() ? out * silu(z(b, t, d)) : out;
      }
  return {y, h};
}

}  // namespace kernels::ref
