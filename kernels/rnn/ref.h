// The definition, read straight off rnn.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"
#include "kernels/rnn/rnn.h"

namespace kernels::ref {

// in: xg [batch, length, hidden], w [hidden, hidden], then bias, h0, resets or nothing; out: y, last
template <class T>
Arrays<T> rnn(const Arrays<T>& in, RnnActivation activation) {
  const Array<T>&xg = in[0], &w = in[1], &bias = in[2], &h0 = in[3], &resets = in[4];
  const auto [batch, length, hidden] = dims<3>(xg);
  Array<T> y({batch, length, hidden}), last({batch, hidden});

  for (int64_t b = 0; b < batch; ++b) {
    std::vector<T> h(static_cast<size_t>(hidden));
    for (int64_t k = 0; k < hidden && h0.present(); ++k) h[size_t(k)] = h0(b, k);
    for (int64_t t = 0; t < length; ++t) {
      if (resets.present() && real(resets(b, t)) != 0) h.assign(size_t(hidden), T{});
      for (int64_t n = 0; n < hidden; ++n) {
        T pre = xg(b, t, n);
        if (bias.present()) pre += bias(n);
        for (int64_t k = 0; k < hidden; ++k) pre += w(n, k) * h[size_t(k)];
        if (activation == RnnActivation::tanh) pre = tanh(pre);
        if (activation == RnnActivation::relu) pre = max(pre, T(0));
        y(b, t, n) = pre;
      }
      for (int64_t k = 0; k < hidden; ++k) h[size_t(k)] = y(b, t, k);
    }
    for (int64_t k = 0; k < hidden; ++k) last(b, k) = h[size_t(k)];
  }
  return {y, last};
}

}  // namespace kernels::ref
