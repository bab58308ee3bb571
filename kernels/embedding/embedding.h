// Rows of a table, looked up by number.
//   y[i] = w[ids[i]]        dw[v] += sum over i with ids[i] = v of dy[i], in increasing i
#pragma once
#include "kernels/matrix.h"

namespace kernels {

template <class T>
struct Embedding {
  const int32_t* ids = nullptr;  // [positions], each in [0, vocabulary)
  Matrix<const T> w{};           // [vocabulary, channels]
  Matrix<T> y{};                 // [positions, channels]    written by forward
  Matrix<const T> dy{};          // [positions, channels]    read by backward
  Matrix<T> dw{};                // [vocabulary, channels]   backward adds into it
};

namespace cpu {
template <class T> void embedding_fwd(const Embedding<T>&);
template <class T> void embedding_bwd(const Embedding<T>&);
}  // namespace cpu
}  // namespace kernels
