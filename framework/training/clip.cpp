#include "framework/training/clip.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/kernel.h"
#include "kernels/sum_squares/sum_squares.h"

namespace adder {

namespace {

// Adds the squares of one gradient.
void add_squares(const Tensor& gradient, double& sum) {
  if (!gradient.defined()) return;
  const Tensor g = gradient.contiguous() ? gradient : gradient.clone();
  by_dtype(g.dtype(), [&](auto zero) {
    using T = decltype(zero);
    KERNEL(sum_squares, T)(g.device(), {.x = g.data<T>(), .n = g.size(), .sum = &sum});
  });
}

}  // namespace

double global_norm(const ParameterList& parameters) {
  double sum = 0;
  for (size_t i = 0; i < parameters.size(); ++i) add_squares(parameters[i].grad, sum);
  return std::sqrt(sum);
}

double norm_of(const Tensor& gradient) {
  double sum = 0;
  add_squares(gradient, sum);
  return std::sqrt(sum);
}

double clip_scale(double norm, double clip_norm) {
  if (!std::isfinite(norm)) return std::numeric_limits<double>::quiet_NaN();
  return clip_norm > 0 ? std::min(1.0, clip_norm / (norm + 1e-6)) : 1.0;
}

}  // namespace adder
