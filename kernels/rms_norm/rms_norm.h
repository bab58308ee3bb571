// Root mean square normalisation over the last axis (Zhang & Sennrich, 2019).
//   r[i]    = 1 / sqrt(mean_j x[i,j]^2 + eps)
//   y[i,j]  = x[i,j] * r[i] * w[j]
#pragma once
#include "kernels/matrix.h"

namespace kernels {

template <class T>
struct RmsNorm {
  Matrix<const T> x;        // [rows, columns]
  const T* w = nullptr;     // [columns]
  T eps = 0;
  Matrix<T> y{};            // [rows, columns]   written by forward, by backward again where not null; may be x then
  T* r = nullptr;           // [rows]            written by forward, read by backward
  Matrix<const T> dy{};     // [rows, columns]   read by backward
  Matrix<const T> before{};  // what dx begins from; may be dx; null: zeros
  Matrix<T> dx{};           // written by backward; may be dy; null: not wanted
  T* dw = nullptr;          // backward adds into it; null: not wanted
};

namespace cpu {
template <class T> void rms_norm_fwd(const RmsNorm<T>&);
template <class T> void rms_norm_bwd(const RmsNorm<T>&);
}  // namespace cpu
}  // namespace kernels
