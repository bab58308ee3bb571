// sum += sum_i x[i]^2, in double whatever T is: a float's square is exact there, and no sum of them
// overflows. The order of the additions is fixed by n alone.
#pragma once
#include <cstdint>

namespace kernels {

template <class T>
struct SumSquares {
  const T* x = nullptr;  // [n]
  int64_t n = 0;
  double* sum = nullptr;  // one number, added to
};

namespace cpu {
template <class T>
void sum_squares(const SumSquares<T>&);
}  // namespace cpu
}  // namespace kernels
