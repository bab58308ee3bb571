// The definition, read straight off complex_scan.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: a_re, a_im [batch, length, channels] or [channels], b_re, b_im [batch, length, channels], then h0_re, h0_im,
// resets or nothing; out: h_re, h_im, last_re, last_im
template <class T>
Arrays<T> complex_scan(const Arrays<T>& in) {
  const Array<T>&a_re = in[0], &a_im = in[1], &b_re = in[2], &b_im = in[3];
  const Array<T>&h0_re = in[4], &h0_im = in[5], &resets = in[6];
  const auto [batch, length, channels] = dims<3>(b_re);
  const bool constant = a_re.shape.size() == 1;
  Array<T> h_re({batch, length, channels}), h_im = h_re, last_re({batch, channels}), last_im = last_re;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t n = 0; n < channels; ++n) {
      T re = h0_re.present() ? h0_re(b, n) : T{}, im = h0_im.present() ? h0_im(b, n) : T{};
      for (int64_t t = 0; t < length; ++t) {
        if (resets.present() && real(resets(b, t)) != 0) re = im = T{};
        const T p = constant ? a_re(n) : a_re(b, t, n), q = constant ? a_im(n) : a_im(b, t, n);
        const T x = p * re - q * im + b_re(b, t, n), y = p * im + q * re + b_im(b, t, n);
        h_re(b, t, n) = re = x;
        h_im(b, t, n) = im = y;
      }
      last_re(b, n) = re, last_im(b, n) = im;
    }
  return {h_re, h_im, last_re, last_im};
}

}  // namespace kernels::ref
