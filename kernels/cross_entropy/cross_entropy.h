// Softmax and cross entropy in one: the probabilities are never stored.
//   loss[i]       = log(sum_v e^(x[i,v] - peak[i])) + peak[i] - x[i, labels[i]],   peak[i] = max_v x[i,v]
//   log_z[i]      = log(sum_v e^x[i,v])
//   dx[i,v]      += scale (softmax(x[i])_v - [v = labels[i]]) + square_scale 2 log_z[i] softmax(x[i])_v
// A row whose label is `ignored` has loss 0, log_z 0 and no gradient.
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
  double* log_z = nullptr;          // [rows]   null: not wanted, square_scale is 0; likewise
  T scale = 0;                      // adjoint of each row's loss
  double square_scale = 0;          // adjoint of each row's log_z^2
  Matrix<T> dx{};                   // backward adds into it
  bool overwrite = false;           // or writes it, ignored rows too; dx may then be x
};

namespace cpu {
template <class T> void cross_entropy_fwd(const CrossEntropy<T>&);
template <class T> void cross_entropy_bwd(const CrossEntropy<T>&);
}  // namespace cpu
}  // namespace kernels
