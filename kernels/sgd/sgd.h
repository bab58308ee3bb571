// One step of stochastic gradient descent with momentum, as torch.optim.SGD without dampening:
//   g = gradient_scale * grad + weight_decay * p
//   b = momentum b + g                              b starts at 0, so the first b is g
//   p = p - lr * d,  d = g + momentum b (nesterov), b (momentum), or g (no buffer)
#pragma once
#include <cstdint>

namespace kernels {

template <class T>
struct Sgd {
  int64_t n = 0;            // elements
  T* p = nullptr;           // [n]
  const T* grad = nullptr;  // [n]   null: zero everywhere
  T* buffer = nullptr;      // [n]   null: no momentum
  T gradient_scale = 1, weight_decay = 0, lr = 0, momentum = 0;
  bool nesterov = false;
};

namespace cpu {
template <class T>
void sgd(const Sgd<T>&);
}  // namespace cpu
}  // namespace kernels
