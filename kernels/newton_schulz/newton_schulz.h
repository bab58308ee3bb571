// The nearest semi-orthogonal matrix, roughly: five steps of a quintic Newton-Schulz iteration (Jordan, 2024)
// that send every singular value of G into [0.7, 1.2].
//   X = G / max(|G|_F, 1e-7)
//   five times: A = X X^T,  B = b A + c A^2,  X = a X + B X;   a, b, c = 3.4445, -4.7750, 2.0315
// with A on the shorter side: A = X^T X, X = a X + X B where G has more rows than columns, which is the same
// as the iteration on its transpose, to the bit. Products are those of kernels/matmul.
#pragma once
#include <cstdint>

namespace kernels {

template <class T>
struct NewtonSchulz {
  int64_t rows = 0, columns = 0;
  const T* g = nullptr;  // [rows, columns], dense
  T* x = nullptr;        // [rows, columns]   written; not g
  T* spare = nullptr;    // [rows, columns]   scratch, as are the two small ones
  T* a = nullptr;        // [k, k], k = min(rows, columns)
  T* b = nullptr;        // [k, k]
};

namespace cpu {
template <class T>
void newton_schulz(const NewtonSchulz<T>&);
}  // namespace cpu
}  // namespace kernels
