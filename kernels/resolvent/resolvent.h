// M = (I - X)^-1, X square. Backward: dX += M^T dM M^T.
#pragma once
#include "kernels/matrix.h"

namespace kernels {

template <class T>
struct Resolvent {
  Matrix<const T> x;     // [n, n]
  T* m = nullptr;        // [n, n]   written by forward, read by backward
  const T* dm = nullptr; // [n, n]   read by backward
  Matrix<T> dx{};        // backward adds into it
};

namespace cpu {
template <class T> void resolvent_fwd(const Resolvent<T>&);
template <class T> void resolvent_bwd(const Resolvent<T>&);
}  // namespace cpu
}  // namespace kernels
