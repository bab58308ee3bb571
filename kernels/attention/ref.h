// The definition, read straight off attention.h.
#pragma once
#include <algorithm>

#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: q [batch, queries, heads * dim], k, v [batch, keys, kv_heads * dim], then past [batch], first [batch, queries]
// or nothing; out: y
template <class T>
Arrays<T> attention(const Arrays<T>& in, int64_t heads, int64_t kv_heads) {
  const Array<T>&q = in[0], &k = in[1], &v = in[2], &past = in[3], &first = in[4];
  const auto [batch, queries, width] = dims<3>(q);
  const int64_t dim = width / heads;
  Array<T> y({batch, queries, width});
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < queries; ++t)
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t g = h / (heads / kv_heads) * dim, at = h * dim;
        const int64_t from = first.present() ? int64_t(real(first(b, t))) : 0;
        const int64_t to = (past.present() ? int64_t(real(past(b))) : 0) + t;
        std::vector<T> score(size_t(to + 1), T{});
        double most = -1e300;
        for (int64_t j = from; j <= to; ++j) {
          for (int64_t d = 0; d < dim; ++d) score[size_t(j)] += q(b, t, at + d) * k(b, j, g + d);
          score[size_t(j)] = score[size_t(j)] / std::sqrt(double(dim));
          most = std::max(most, double(real(score[size_t(j)])));
        }
        T sum{};
        for (int64_t j = from; j <= to; ++j) sum += exp(score[size_t(j)] - most);
        for (int64_t j = from; j <= to; ++j) {
          const T p = exp(score[size_t(j)] - most) / sum;
          for (int64_t d = 0; d < dim; ++d) y(b, t, at + d) += p * v(b, j, g + d);
        }
      }
  return {y};
}

}  // namespace kernels::ref
