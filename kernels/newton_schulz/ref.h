// The definition, read straight off newton_schulz.h, on the transpose where there are more rows than columns.
#pragma once
#include <algorithm>
#include <cmath>

#include "kernels/array.h"

namespace kernels::ref {

inline Array<double> transposed(const Array<double>& x) {
  Array<double> t({x.dim(1), x.dim(0)});
  for (int64_t i = 0; i < x.dim(0); ++i)
    for (int64_t j = 0; j < x.dim(1); ++j) t(j, i) = x(i, j);
  return t;
}

inline Array<double> product(const Array<double>& x, const Array<double>& y) {
  Array<double> z({x.dim(0), y.dim(1)});
  for (int64_t i = 0; i < x.dim(0); ++i)
    for (int64_t j = 0; j < y.dim(1); ++j)
      for (int64_t k = 0; k < x.dim(1); ++k) z(i, j) += x(i, k) * y(k, j);
  return z;
}

// in: G [rows, columns]; out: X of its shape
inline Array<double> newton_schulz(const Array<double>& g) {
  if (g.dim(0) > g.dim(1)) return transposed(newton_schulz(transposed(g)));
  double squares = 0;
  for (const double v : g.data) squares += v * v;
  Array<double> x = g;
  for (double& v : x.data) v /= std::max(std::sqrt(squares), 1e-7);
  for (int step = 0; step < 5; ++step) {
    const Array<double> a = product(x, transposed(x));
    Array<double> b = product(a, a);
    for (size_t i = 0; i < b.data.size(); ++i) b.data[i] = -4.7750 * a.data[i] + 2.0315 * b.data[i];
    const Array<double> bx = product(b, x);
    for (size_t i = 0; i < x.data.size(); ++i) x.data[i] = 3.4445 * x.data[i] + bx.data[i];
  }
  return x;
}

}  // namespace kernels::ref
