// The definition, read straight off selective_scan.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: u, delta [batch, length, channels], A [channels, state], B, C [batch, length, state] or [channels, state], then
// D [channels], z [batch, length, channels], delta_bias [channels], h0 [batch, channels, state]. These four and delta
// may be absent.
// out: y, last
template <class T>
Arrays<T> selective_scan(const Arrays<T>& in, bool use_softplus, const std::vector<int>& resets,
                         bool signed_transitions = false) {
  const Array<T>&u = in[0], &delta = in[1], &A = in[2], &B = in[3], &C = in[4];
  const Array<T>&D = in[5], &z = in[6], &bias = in[7], &h0 = in[8];
  const auto [batch, length, channels] = dims<3>(u);
  const int64_t state = A.dim(1);
  const auto at = [](const Array<T>& x, int64_t b, int64_t t, int64_t d, int64_t n) {
    return x.shape.size() == 2 ? x(d, n) : x(b, t, n);
  };
  Array<T> y({batch, length, channels}), h({batch, channels, state});
  if (h0.present()) h = h0;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < length; ++t)
      for (int64_t d = 0; d < channels; ++d) {
        T dt = (delta.present() ? delta(b, t, d) : T{}) + (bias.present() ? bias(d) : T{});
        if (use_softplus) dt = softplus(dt);
        T out = D.present() ? D(d) * u(b, t, d) : T{};
        for (int64_t n = 0; n < state; ++n) {
          if (!resets.empty() && resets[size_t(b * length + t)]) h(b, d, n) = T{};
          const T decay = exp(dt * A(d, n)), transition = signed_transitions ? 2.0 * decay - 1.0 : decay;
          h(b, d, n) = transition * h(b, d, n) + dt * at(B, b, t, d, n) * u(b, t, d);
          out += at(C, b, t, d, n) * h(b, d, n);
        }
        y(b, t, d) = z.present() ? out * silu(z(b, t, d)) : out;
      }
  return {y, h};
}

}  // namespace kernels::ref
