// The definition by another way than the kernel's: x x^T = R^T R by Cholesky, and q from x = R^T q row by row.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: x [batch, k, n]; out: q [batch, k, n], log_r [batch, k]
template <class T>
Arrays<T> qr(const Arrays<T>& in) {
  const Array<T>& x = in[0];
  const auto [batch, k, n] = dims<3>(x);
  Array<T> q({batch, k, n}), log_r({batch, k}), r({k, k});
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t j = 0; j <= i; ++j) {
        T sum{};
        for (int64_t c = 0; c < n; ++c) sum += x(b, i, c) * x(b, j, c);
        for (int64_t l = 0; l < j; ++l) sum -= r(l, i) * r(l, j);
        r(j, i) = i == j ? sqrt(sum) : sum / r(j, j);
      }
      log_r(b, i) = log(r(i, i));
      for (int64_t c = 0; c < n; ++c) {
        T rest = x(b, i, c);
        for (int64_t j = 0; j < i; ++j) rest -= r(j, i) * q(b, j, c);
        q(b, i, c) = rest / r(i, i);
      }
    }
  return {q, log_r};
}

}  // namespace kernels::ref
