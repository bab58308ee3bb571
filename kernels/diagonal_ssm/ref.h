// The definition, read straight off diagonal_ssm.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: u [batch, length, channels]; a_re, a_im, b_re, b_im, c_re, c_im [channels, state]; D [channels]; h0_re, h0_im
// [batch, channels, state]; resets [batch, length]. The imaginary ones, D, h0 and resets may be absent.
// out: y, last_re, and where a is complex last_im
template <class T>
Arrays<T> diagonal_ssm(const Arrays<T>& in, double weight) {
  const Array<T>&u = in[0], &D = in[7], &resets = in[10];
  const bool complex = in[2].present();
  const auto [batch, length, channels] = dims<3>(u);
  const int64_t state = in[1].dim(1);
  const auto im = [](const Array<T>& x, int64_t d, int64_t n) { return x.present() ? x(d, n) : T{}; };
  Array<T> y({batch, length, channels}), re({batch, channels, state}), ie({batch, channels, state});
  if (in[8].present()) re = in[8];
  if (in[9].present()) ie = in[9];
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < length; ++t)
      for (int64_t d = 0; d < channels; ++d) {
        if (D.present()) y(b, t, d) += D(d) * u(b, t, d);
        for (int64_t n = 0; n < state; ++n) {
          T h_re = re(b, d, n), h_im = ie(b, d, n);
          if (resets.present() && real(resets(b, t)) != 0) h_re = h_im = T{};
          const T a_re = in[1](d, n), a_im = im(in[2], d, n);
          re(b, d, n) = a_re * h_re - a_im * h_im + in[3](d, n) * u(b, t, d);
          ie(b, d, n) = a_re * h_im + a_im * h_re + im(in[4], d, n) * u(b, t, d);
          y(b, t, d) += weight * (in[5](d, n) * re(b, d, n) - im(in[6], d, n) * ie(b, d, n));
        }
      }
  if (complex) return {y, re, ie};
  return {y, re};
}

}  // namespace kernels::ref
