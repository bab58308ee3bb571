// The definition, read straight off causal_conv1d.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: x [batch, length, channels], w [channels, taps], then bias, x0, resets or nothing; out: y, last
template <class T>
Arrays<T> causal_conv1d(const Arrays<T>& in, bool use_silu) {
  const Array<T>&x = in[0], &w = in[1], &bias = in[2], &x0 = in[3], &resets = in[4];
  const auto [batch, length, channels] = dims<3>(x);
  const int64_t taps = w.dim(1);
  Array<T> y({batch, length, channels}), last({batch, taps - 1, channels});

  // the input at position p as it is seen from position t: 0 across the start of a document
  const auto input = [&, length = length](int64_t b, int64_t p, int64_t t, int64_t d) -> T {
    for (int64_t s = p < 0 ? 0 : p + 1; resets.present() && s <= t && s < length; ++s)
      if (real(resets(b, s)) != 0) return T{};
    if (p >= 0) return x(b, p, d);
    return x0.present() ? x0(b, p + taps - 1, d) : T{};
  };
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t d = 0; d < channels; ++d) {
      for (int64_t t = 0; t < length; ++t) {
        T pre = bias.present() ? bias(d) : T{};
        for (int64_t k = 0; k < taps; ++k) pre += w(d, k) * input(b, t - taps + 1 + k, t, d);
        y(b, t, d) = use_silu ? silu(pre) : pre;
      }
      for (int64_t j = 0; j < taps - 1; ++j) last(b, j, d) = input(b, length - taps + 1 + j, length, d);
    }
  return {y, last};
}

}  // namespace kernels::ref
