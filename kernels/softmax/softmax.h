// Softmax over the last axis, and its logarithm.
//   e[v] = e^(x[v] - max x)        softmax: y = e / sum e        log_softmax: y = x - max x - log(sum e)
//   softmax: dx += y (dy - sum dy y)        log_softmax: dx += dy - e^y sum dy
#pragma once
#include "kernels/matrix.h"

namespace kernels {

template <class T>
struct Softmax {
  bool logarithm;
  Matrix<const T> x;      // [rows, columns]
  Matrix<T> y{};          // [rows, columns]   written by forward, read by backward
  Matrix<const T> dy{};   // [rows, columns]   read by backward
  Matrix<T> dx{};         // backward adds into it
};

namespace cpu {
template <class T> void softmax_fwd(const Softmax<T>&);
template <class T> void softmax_bwd(const Softmax<T>&);
}  // namespace cpu
}  // namespace kernels
