// The definition, read straight off min_gru.h.
#pragma once
#include "kernels/array.h"
#include "kernels/min_gru/min_gru.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

template <class T>
T candidate_of(Candidate kind, const T& v) {
  if (kind == Candidate::linear) return v;
  return real(v) >= 0 ? v + 0.5 : sigmoid(v);
}

// in: k, v [batch, length, channels], then h0, resets or nothing; out: h, last
template <class T>
Arrays<T> min_gru(const Arrays<T>& in, Candidate candidate) {
  const Array<T>&k = in[0], &v = in[1], &h0 = in[2], &resets = in[3];
  const auto [batch, length, channels] = dims<3>(k);
  Array<T> h({batch, length, channels}), last({batch, channels});
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t d = 0; d < channels; ++d) {
      T state = h0.present() ? h0(b, d) : T{};
      for (int64_t t = 0; t < length; ++t) {
        if (resets.present() && real(resets(b, t)) != 0) state = T{};
        const T z = sigmoid(k(b, t, d));
        h(b, t, d) = state = (1.0 - z) * state + z * candidate_of(candidate, v(b, t, d));
      }
      last(b, d) = state;
    }
  return {h, last};
}

}  // namespace kernels::ref
