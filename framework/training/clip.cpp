#include "framework/training/clip.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/kernel.h"
#include "kernels/sum_squares/sum_squares.h"

namespace adder {

double global_norm(const ParameterList& parameters) {
  double sum = 0;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].grad.defined()) continue;
    const Tensor g = parameters[i].grad.contiguous() ? parameters[i].grad : parameters[i].grad.clone();
    by_dtype(g.dtype(), [&](auto zero) {
      using T = decltype(zero);
      KERNEL(sum_squares, T)(g.device(), {.x = g.data<T>(), .n = g.size(), .sum = &sum});
    });
  }
  return std::sqrt(sum);
}

double clip_scale(double norm, double clip_norm) {
  if (!std::isfinite(norm)) return std::numeric_limits<double>::quiet_NaN();
  return clip_norm > 0 ? std::min(1.0, clip_norm / (norm + 1e-6)) : 1.0;
}

}  // namespace adder
