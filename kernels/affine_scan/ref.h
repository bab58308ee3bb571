// The definition, read straight off affine_scan.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: a [batch, length, n, n], x [batch, length, n]; h0 [batch, n] and resets [batch, length] may be absent.
// out: h, last
template <class T>
Arrays<T> affine_scan(const Arrays<T>& in) {
  const Array<T>&a = in[0], &x = in[1], &h0 = in[2], &resets = in[3];
  const auto [batch, length, n] = dims<3>(x);
  Array<T> h = x, last({batch, n});
  if (h0.present()) last = h0;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < length; ++t) {
      const bool starts = resets.present() && real(resets(b, t)) != 0;
      for (int64_t i = 0; i < n; ++i)
        for (int64_t k = 0; !starts && k < n; ++k) h(b, t, i) += last(b, k) * a(b, t, k, i);
      for (int64_t i = 0; i < n; ++i) last(b, i) = h(b, t, i);
    }
  return {h, last};
}

}  // namespace kernels::ref
