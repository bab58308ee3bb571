// The definition, read straight off sgd.h.
#pragma once
#include "kernels/array.h"

namespace kernels::ref {

struct SgdSettings {
  double lr, momentum, weight_decay;
  bool nesterov = false;
  double gradient_scale = 1;
};

// in: p, grad, buffer, all [n]; out: p, buffer
template <class T>
Arrays<T> sgd(const Arrays<T>& in, const SgdSettings& s) {
  Array<T> p = in[0], buffer = in[2];
  for (int64_t i = 0; i < p.size(); ++i) {
    const T g = s.gradient_scale * in[1](i) + s.weight_decay * p(i);
    buffer(i) = s.momentum * buffer(i) + g;
    p(i) = p(i) - s.lr * (s.nesterov ? g + s.momentum * buffer(i) : buffer(i));
  }
  return {p, buffer};
}

}  // namespace kernels::ref
