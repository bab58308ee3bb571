// Root mean square normalisation with a gate, group by group of a row (Mamba-2; Dao & Gu, 2024).
//   gate first:  v = x silu(z),  y[i,j] = v[i,j] r[i,g] w[j]              r[i,g] = 1 / sqrt(mean_{j in g} v[i,j]^2 + eps)
//   norm first:  v = x,          y[i,j] = v[i,j] r[i,g] w[j] silu(z[i,j])
// Group g holds columns [g n, (g + 1) n), n = columns / groups. silu(z) = z / (1 + e^-z).
#pragma once
#include "kernels/matrix.h"

namespace kernels {

template <class T>
struct RmsNormGated {
  Matrix<const T> x, z;     // [rows, columns]
  const T* w = nullptr;     // [columns]
  int64_t groups = 1;
  T eps = 0;
  bool norm_before_gate = false;
  Matrix<T> y{};            // [rows, columns]   written by forward
  T* r = nullptr;           // [rows, groups]    written by forward, read by backward
  Matrix<const T> dy{};     // [rows, columns]   read by backward
  Matrix<const T> before_x{}, before_z{};  // what dx and dz begin from, perhaps themselves; null: nothing
  Matrix<T> dx{}, dz{};     // written by backward; null: not wanted. dx may be dy
  T* dw = nullptr;          // backward adds into it; null: not wanted
};

namespace cpu {
template <class T> void rms_norm_gated_fwd(const RmsNormGated<T>&);
template <class T> void rms_norm_gated_bwd(const RmsNormGated<T>&);
}  // namespace cpu
}  // namespace kernels
