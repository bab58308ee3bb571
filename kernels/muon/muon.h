// The passes of Muon (Jordan, 2024) over a matrix, around its orthogonalisation:
//   muon_momentum   g = gradient_scale * grad,  m = momentum m + (1 - momentum) g,
//                   u = momentum m + (1 - momentum) g          Nesterov's look ahead
//   muon_update     p = p - decay p - rate u
#pragma once
#include <cstdint>

namespace kernels {

template <class T>
struct Muon {
  int64_t n = 0;            // elements
  const T* grad = nullptr;  // [n]   null: zero everywhere
  T* m = nullptr;           // [n]
  T* u = nullptr;           // [n]   written by muon_momentum, read by muon_update
  T* p = nullptr;           // [n]   muon_update alone
  T gradient_scale = 1;
  T momentum = 0, one_less_momentum = 1;
  T decay = 0, rate = 0;
};

namespace cpu {
template <class T>
void muon_momentum(const Muon<T>&);
template <class T>
void muon_update(const Muon<T>&);
}  // namespace cpu
}  // namespace kernels
