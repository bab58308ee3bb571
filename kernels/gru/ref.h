// The definition, read straight off gru.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: xg [batch, length, 3 hidden], w [3 hidden, hidden], then bias, h0, resets or nothing; out: y, last
template <class T>
Arrays<T> gru(const Arrays<T>& in) {
  const Array<T>&xg = in[0], &w = in[1], &bias = in[2], &h0 = in[3], &resets = in[4];
  const int64_t batch = xg.dim(0), length = xg.dim(1), hidden = w.dim(1);
  Array<T> y({batch, length, hidden}), h({batch, hidden});
  if (h0.present()) h = h0;

  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < length; ++t) {
      const bool start = resets.present() && real(resets(b, t)) != 0;
      for (int64_t j = 0; j < hidden && start; ++j) h(b, j) = T{};
      std::vector<T> step(size_t(3 * hidden));  // bias + W h
      for (int64_t n = 0; n < 3 * hidden; ++n) {
        if (bias.present()) step[size_t(n)] = bias(n);
        for (int64_t k = 0; k < hidden; ++k) step[size_t(n)] += w(n, k) * h(b, k);
      }
      for (int64_t j = 0; j < hidden; ++j) {
        const int64_t z_row = hidden + j, n_row = 2 * hidden + j;
        const T r = sigmoid(xg(b, t, j) + step[size_t(j)]), z = sigmoid(xg(b, t, z_row) + step[size_t(z_row)]);
        const T n = tanh(xg(b, t, n_row) + r * step[size_t(n_row)]);
        h(b, j) = y(b, t, j) = (1.0 - z) * n + z * h(b, j);
      }
    }
  return {y, h};
}

}  // namespace kernels::ref
