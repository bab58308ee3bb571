// The definition, read straight off scan.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: a, b [batch, length, channels], then h0, resets or nothing; out: h, last
template <class T>
Arrays<T> scan(const Arrays<T>& in, bool reverse) {
  const Array<T>&a = in[0], &b = in[1], &h0 = in[2], &resets = in[3];
  const auto [batch, length, channels] = dims<3>(a);
  Array<T> h({batch, length, channels}), last({batch, channels});
  const auto starts = [&](int64_t i, int64_t t) { return resets.present() && real(resets(i, t)) != 0; };
  for (int64_t i = 0; i < batch; ++i)
    for (int64_t d = 0; d < channels; ++d) {
      T state = h0.present() ? h0(i, d) : T{};
      for (int64_t step = 0; step < length; ++step) {
        const int64_t t = reverse ? length - 1 - step : step;
        const bool cut = reverse ? t + 1 < length && starts(i, t + 1) : starts(i, t);
        h(i, t, d) = state = cut ? b(i, t, d) : a(i, t, d) * state + b(i, t, d);
      }
      last(i, d) = state;
    }
  return {h, last};
}

}  // namespace kernels::ref
