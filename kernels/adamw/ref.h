// The definition, in the order in which the paper and torch.optim.AdamW state it.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

struct AdamWSettings {
  double lr, beta1, beta2, eps, weight_decay = 0;
  double gradient_scale = 1;
  int64_t t = 1;  // of this step, from 1
};

// in: p, grad, m, v, all [n]; out: p, m, v
template <class T>
Arrays<T> adamw(const Arrays<T>& in, const AdamWSettings& s) {
  Array<T> p = in[0], m = in[2], v = in[3];
  for (int64_t i = 0; i < p.size(); ++i) {
    const T g = s.gradient_scale * in[1](i);
    m(i) = s.beta1 * m(i) + (1 - s.beta1) * g;
    v(i) = s.beta2 * v(i) + (1 - s.beta2) * g * g;
    const T m_hat = m(i) / (1 - std::pow(s.beta1, double(s.t)));
    const T v_hat = v(i) / (1 - std::pow(s.beta2, double(s.t)));
    p(i) = p(i) * (1 - s.lr * s.weight_decay);
    p(i) = p(i) - s.lr * m_hat / (sqrt(v_hat) + s.eps);
  }
  return {p, m, v};
}

}  // namespace kernels::ref
