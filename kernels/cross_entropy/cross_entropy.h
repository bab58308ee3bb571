// Softmax and cross entropy in one: the probabilities are never stored.
//   loss[i]       = log(sum_v e^(x[i,v] - peak[i])) + peak[i] - x[i, labels[i]],   peak[i] = max_v x[i,v]
//   dx[i,v]      += scale (softmax(x[i])_v - [v = labels[i]])
// A row whose label is `ignored` has loss 0 and no gradient.
#pragma once
#include "kernels/matrix.h"

namespace kernels {

template <class T>
struct CrossEntropy {
  Matrix<const T> x;                // [rows, vocabulary]
  const int32_t* labels = nullptr;  // [rows], each `ignored` or in [0, vocabulary)
  int32_t ignored = -100;
  double* loss = nullptr;           // [rows]   written by forward
  T* peak = nullptr;                // [rows]   written by forward, read by backward
  T* inverse = nullptr;             // [rows]   1 / sum_v e^(x - peak), likewise
  T scale = 0;                      // adjoint of each row's loss
  Matrix<T> dx{};                   // backward adds into it
};

namespace cpu {
template <class T> void cross_entropy_fwd(const CrossEntropy<T>&);
template <class T> void cross_entropy_bwd(const CrossEntropy<T>&);
}  // namespace cpu
}  // namespace kernels
