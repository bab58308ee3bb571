// A value times a function of its gate, element by element (gated linear units; Dauphin et al., 2017;
// Shazeer, 2020).
//   y = g(gate) up          g(x) = x s(x) (silu: SwiGLU) or s(x) (sigmoid: GLU), s(x) = 1 / (1 + e^-x)
//   dgate += dy up g'(gate),   dup += dy g(gate)
#pragma once
#include "kernels/matrix.h"

namespace kernels {

enum class GateKind { silu, sigmoid };

template <class T>
struct Gated {
  GateKind kind;
  Matrix<const T> gate, up;      // [rows, columns]
  Matrix<T> y{};                 // [rows, columns]   written by forward, by backward again where not null; may be gate then
  Matrix<const T> dy{};          // [rows, columns]   read by backward
  Matrix<T> dgate{}, dup{};      // backward adds into these; null: not wanted
  bool overwrite = false;        // or writes them anew
};

namespace cpu {
template <class T> void gated_fwd(const Gated<T>&);
template <class T> void gated_bwd(const Gated<T>&);
}  // namespace cpu
}  // namespace kernels
