// Layer normalisation over the last axis (Ba, Kiros & Hinton, 2016).
//   m[i]   = mean_j x[i,j],   r[i] = 1 / sqrt(mean_j (x[i,j] - m[i])^2 + eps)
//   y[i,j] = (x[i,j] - m[i]) r[i] w[j] + b[j]
#pragma once
#include "kernels/matrix.h"

namespace kernels {

template <class T>
struct LayerNorm {
  Matrix<const T> x;        // [rows, columns]
  const T* w = nullptr;     // [columns]
  const T* b = nullptr;     // [columns]         null: none
  T eps = 0;
  Matrix<T> y{};            // [rows, columns]   written by forward, by backward again where not null; may be x then
  T* m = nullptr;           // [rows]            written by forward, read by backward
  T* r = nullptr;           // [rows]            likewise
  Matrix<const T> dy{};     // [rows, columns]   read by backward
  Matrix<const T> before{};  // what dx begins from; may be dx; null: zeros
  Matrix<T> dx{};           // written by backward; may be dy; null: not wanted
  T *dw = nullptr, *db = nullptr;  // backward adds into these; null: not wanted
};

namespace cpu {
template <class T> void layer_norm_fwd(const LayerNorm<T>&);
template <class T> void layer_norm_bwd(const LayerNorm<T>&);
}  // namespace cpu
}  // namespace kernels
