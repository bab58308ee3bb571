// One step of Lion (Chen et al., 2023), every element in one pass:
//   g = gradient_scale * grad
//   u = sign(beta1 m + (1 - beta1) g)        sign(0) = 0
//   p = p - decay p - rate u
//   m = beta2 m + (1 - beta2) g
// with decay = lr * weight_decay and rate = lr.
#pragma once
#include <cstdint>

namespace kernels {

template <class T>
struct Lion {
  int64_t n = 0;            // elements
  T* p = nullptr;           // [n]
  const T* grad = nullptr;  // [n]   null: zero everywhere
  T* m = nullptr;           // [n]
  T gradient_scale = 1;
  T beta1 = 0, one_less_beta1 = 1;
  T beta2 = 0, one_less_beta2 = 1;
  T decay = 0, rate = 0;
};

namespace cpu {
template <class T>
void lion(const Lion<T>&);
}  // namespace cpu
}  // namespace kernels
