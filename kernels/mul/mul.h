// Elementwise product of two arrays of one shape.
//   y = a * b        backward: da += dy * b,  db += dy * a
#pragma once
#include "kernels/matrix.h"

namespace kernels {

template <class T>
struct Mul {
  Matrix<const T> a, b;  // [rows, columns]
  Matrix<T> y{};         // [rows, columns]   written by forward
  Matrix<const T> dy{};  // read by backward
  Matrix<T> da{}, db{};  // backward adds into these; null: not wanted
};

namespace cpu {
template <class T> void mul_fwd(const Mul<T>&);
template <class T> void mul_bwd(const Mul<T>&);
}  // namespace cpu
}  // namespace kernels
