// The definition, read straight off lstm.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: xg [batch, length, 4 hidden], w [4 hidden, hidden], then bias, h0, c0, resets or nothing; out: y, last h, last c
template <class T>
Arrays<T> lstm(const Arrays<T>& in) {
  const Array<T>&xg = in[0], &w = in[1], &bias = in[2], &h0 = in[3], &c0 = in[4], &resets = in[5];
  const int64_t batch = xg.dim(0), length = xg.dim(1), hidden = w.dim(1);
  Array<T> y({batch, length, hidden}), h({batch, hidden}), c({batch, hidden});
  if (h0.present()) h = h0;
  if (c0.present()) c = c0;

  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < length; ++t) {
      const bool start = resets.present() && real(resets(b, t)) != 0;
      for (int64_t j = 0; j < hidden && start; ++j) h(b, j) = c(b, j) = T{};
      std::vector<T> pre(size_t(4 * hidden));
      for (int64_t n = 0; n < 4 * hidden; ++n) {
        T& p = pre[size_t(n)];
        p = xg(b, t, n);
        if (bias.present()) p += bias(n);
        for (int64_t k = 0; k < hidden; ++k) p += w(n, k) * h(b, k);
      }
      for (int64_t j = 0; j < hidden; ++j) {
        const auto gate = [&](int64_t k) { return pre[size_t(k * hidden + j)]; };
        c(b, j) = sigmoid(gate(1)) * c(b, j) + sigmoid(gate(0)) * tanh(gate(2));
        h(b, j) = y(b, t, j) = sigmoid(gate(3)) * tanh(c(b, j));
      }
    }
  return {y, h, c};
}

}  // namespace kernels::ref
