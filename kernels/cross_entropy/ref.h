// The definition, read straight off cross_entropy.h.
#pragma once
#include <algorithm>

#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: x [rows, vocabulary], labels [rows]; out: the mean over the labels that are not `ignored`, rank 0, and the
// mean of log(sum_v e^x)^2 over the same rows, rank 0
template <class T>
Arrays<T> cross_entropy(const Arrays<T>& in, int64_t ignored) {
  const Array<T>&x = in[0], &labels = in[1];
  const auto [rows, vocabulary] = dims<2>(x);
  T total{}, squares{};
  double count = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t label = int64_t(real(labels(i)));
    if (label == ignored) continue;
    double peak = real(x(i, 0));
    for (int64_t v = 0; v < vocabulary; ++v) peak = std::max(peak, real(x(i, v)));
    T sum{};
    for (int64_t v = 0; v < vocabulary; ++v) sum += exp(x(i, v) - peak);
    const T log_z = log(sum) + peak;
    total += log_z - x(i, label);
    squares += log_z * log_z;
    count += 1;
  }
  Array<T> mean(std::vector<int64_t>{}), mean_square(std::vector<int64_t>{});
  mean.data = {count > 0 ? total / count : T{}};
  mean_square.data = {count > 0 ? squares / count : T{}};
  return {mean, mean_square};
}

}  // namespace kernels::ref
