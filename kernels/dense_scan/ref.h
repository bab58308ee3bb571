// The definition, read straight off dense_scan.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: a [state, state], x [batch, length, state]; h0 [batch, state] and resets [batch, length] may be absent.
// out: h, last
template <class T>
Arrays<T> dense_scan(const Arrays<T>& in) {
  const Array<T>&a = in[0], &x = in[1], &h0 = in[2], &resets = in[3];
  const auto [batch, length, state] = dims<3>(x);
  Array<T> h = x, last({batch, state});
  if (h0.present()) last = h0;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < length; ++t) {
      const bool starts = resets.present() && real(resets(b, t)) != 0;
      for (int64_t i = 0; i < state; ++i)
        for (int64_t j = 0; !starts && j < state; ++j) h(b, t, i) += a(i, j) * last(b, j);
      for (int64_t i = 0; i < state; ++i) last(b, i) = h(b, t, i);
    }
  return {h, last};
}

}  // namespace kernels::ref
