// The definition, read straight off squared_error.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: y [rows, 1], labels [rows]; out: the mean over the rows whose label is not `ignored`, rank 0
template <class T>
Arrays<T> squared_error(const Arrays<T>& in, const std::vector<double>& target, int64_t ignored) {
  const Array<T>&y = in[0], &labels = in[1];
  T total{};
  double count = 0;
  for (size_t i = 0; i < target.size(); ++i) {
    if (int64_t(real(labels(int64_t(i)))) == ignored) continue;
    const T error = y(int64_t(i), 0) - target[i];
    total += error * error;
    count += 1;
  }
  Array<T> mean(std::vector<int64_t>{});
  mean.data = {count > 0 ? total / count : T{}};
  return {mean};
}

}  // namespace kernels::ref
