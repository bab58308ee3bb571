// The definition, in the order in which the paper states it.
#pragma once
#include "kernels/array.h"

namespace kernels::ref {

struct LionSettings {
  double lr, beta1, beta2, weight_decay = 0;
  double gradient_scale = 1;
};

// in: p, grad, m, all [n]; out: p, m
inline Arrays<double> lion(const Arrays<double>& in, const LionSettings& s) {
  Array<double> p = in[0], m = in[2];
  for (int64_t i = 0; i < p.size(); ++i) {
    const double g = s.gradient_scale * in[1](i);
    const double c = s.beta1 * m(i) + (1 - s.beta1) * g;
    const double u = c > 0 ? 1 : c < 0 ? -1 : 0;
    p(i) = p(i) * (1 - s.lr * s.weight_decay) - s.lr * u;
    m(i) = s.beta2 * m(i) + (1 - s.beta2) * g;
  }
  return {p, m};
}

}  // namespace kernels::ref
