// Some elements set to 0, the others scaled up to keep the mean (Srivastava et al., 2014).
//   y[i] = kept[i] ? scale x[i] : 0        dx[i] += kept[i] ? scale dy[i] : 0
// kept[i] = r[i] >= dropped, r[i] the first word of Philox4x32-10 (Salmon et al., SC 2011) of `key` at the counter
// (i mod 2^32, i / 2^32, counter): Random::bits(i).
#pragma once
#include "kernels/matrix.h"

namespace kernels {

template <class T>
struct Dropout {
  Matrix<const T> x;          // [rows, columns]; in backward the adjoint of y
  int32_t* kept = nullptr;    // bit i % 32 of word i / 32, i = row * columns + column; written by forward, read by backward
  T scale = 1;                // 1 / (1 - p)
  Matrix<T> y{};              // [rows, columns]   written by forward; backward adds into it
  const uint32_t* key = nullptr;     // [2]   forward alone, as are the next two
  const uint32_t* counter = nullptr; // [2]
  uint32_t dropped = 0;              // p 2^32
};

// Words of `kept` for n elements: a vector's bits are taken from two of them.
inline int64_t dropout_words(int64_t n) { return (n + 31) / 32 + 1; }

namespace cpu {
template <class T> void dropout_fwd(const Dropout<T>&);
template <class T> void dropout_bwd(const Dropout<T>&);
}  // namespace cpu
}  // namespace kernels
