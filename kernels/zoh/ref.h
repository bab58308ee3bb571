// The definition, read straight off zoh.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: dt [channels], A_re, A_im [channels, state], the latter may be absent; out: a_re, a_im, b_re, b_im, or a, b
template <class T>
Arrays<T> zoh(const Arrays<T>& in) {
  const Array<T>&dt = in[0], &A_re = in[1], &A_im = in[2];
  const auto [channels, state] = dims<2>(A_re);
  Array<T> a_re({channels, state}), a_im({channels, state}), b_re({channels, state}), b_im({channels, state});
  for (int64_t d = 0; d < channels; ++d)
    for (int64_t n = 0; n < state; ++n) {
      const T re = A_re(d, n), im = A_im.present() ? A_im(d, n) : T{}, x = dt(d) * re, y = dt(d) * im;
      a_re(d, n) = exp(x) * cos(y);
      a_im(d, n) = exp(x) * sin(y);
      const T half = sin(0.5 * y), less_re = expm1(x) * cos(y) - 2.0 * half * half, less_im = exp(x) * sin(y);
      const T size = re * re + im * im;  // 1 / A = A* / |A|^2
      b_re(d, n) = (less_re * re + less_im * im) / size;
      b_im(d, n) = (less_im * re - less_re * im) / size;
    }
  if (A_im.present()) return {a_re, a_im, b_re, b_im};
  return {a_re, b_re};
}

}  // namespace kernels::ref
