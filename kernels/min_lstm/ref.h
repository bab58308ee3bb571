// The definition, read straight off min_lstm.h.
#pragma once
#include "kernels/array.h"
#include "kernels/min_gru/ref.h"
#include "kernels/min_lstm/min_lstm.h"

namespace kernels::ref {

// in: f, i, v [batch, length, channels], then h0, resets or nothing; out: h, last
template <class T>
Arrays<T> min_lstm(const Arrays<T>& in, Candidate candidate) {
  const Array<T>&f = in[0], &i = in[1], &v = in[2], &h0 = in[3], &resets = in[4];
  const auto [batch, length, channels] = dims<3>(f);
  Array<T> h({batch, length, channels}), last({batch, channels});
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t d = 0; d < channels; ++d) {
      T state = h0.present() ? h0(b, d) : T{};
      for (int64_t t = 0; t < length; ++t) {
        if (resets.present() && real(resets(b, t)) != 0) state = T{};
        const T forget = sigmoid(f(b, t, d)), input = sigmoid(i(b, t, d)), kept = forget / (forget + input);
        h(b, t, d) = state = kept * state + (1.0 - kept) * candidate_of(candidate, v(b, t, d));
      }
      last(b, d) = state;
    }
  return {h, last};
}

}  // namespace kernels::ref
