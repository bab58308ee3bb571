// One step of AdamW (Loshchilov & Hutter, 2019), every element in one pass:
//   g = gradient_scale * grad
//   m = beta1 m + (1 - beta1) g
//   v = beta2 v + (1 - beta2) g^2
//   p = p - decay p - rate m / (sqrt(v / correction2) + eps)
// with decay = lr * weight_decay, rate = lr / (1 - beta1^t) and correction2 = 1 - beta2^t, each computed in
// double.
#pragma once
#include <cstdint>

namespace kernels {

template <class T>
struct AdamW {
  int64_t n = 0;            // elements
  T* p = nullptr;           // [n]
  const T* grad = nullptr;  // [n]   null: zero everywhere
  T* m = nullptr;           // [n]
  T* v = nullptr;           // [n]
  T gradient_scale = 1;
  T beta1 = 0, one_less_beta1 = 1;
  T beta2 = 0, one_less_beta2 = 1;
  T decay = 0, rate = 0, inverse_correction2 = 1, eps = 0;
};

// Several parameters in one pass: the same step of each of them, the work shared out over all together.
template <class T>
struct AdamWParts {
  const AdamW<T>* parts = nullptr;
  int64_t count = 0;
};

namespace cpu {
template <class T>
void adamw(const AdamW<T>&);
template <class T>
void adamw_parts(const AdamWParts<T>&);
}  // namespace cpu
}  // namespace kernels
