// Matrix product with any strides, so that NT, NN and TN are one kernel.
//   C[m,n] = start[m,n] + sum_k A[m,k] B[k,n],   start = C where `accumulate`, else bias[n] or 0
// Each element is one chain of fused multiply-adds in increasing k that begins at `start`, whatever M, tile, thread or
// SIMD target: a row of a large batch has the bits of the same row alone.
#pragma once
#include <cstdint>

namespace kernels {

template <class T>
struct MatMul {
  int64_t m = 0, n = 0, k = 0;
  const T* a = nullptr;                   // A[m,k] at a[m * a_row + k * a_col]
  int64_t a_row = 0, a_col = 0;
  const T* b = nullptr;                   // B[k,n] at b[k * b_row + n * b_col]; one of the two strides is 1
  int64_t b_row = 0, b_col = 0;
  T* c = nullptr;                         // C[m,n] at c[m * c_row + n]
  int64_t c_row = 0;
  bool accumulate = false;
  const T* bias = nullptr;                // [n], not together with accumulate
  bool bf16 = false;                      // float alone: bfloat16 operands, see bf16.h; one of A's strides is 1 then too
};

namespace cpu {
template <class T> void matmul(const MatMul<T>&);
}  // namespace cpu
}  // namespace kernels
