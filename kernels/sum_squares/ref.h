// The definition, read straight off sum_squares.h.
#pragma once
#include "kernels/array.h"

namespace kernels::ref {

// in: x [n]; out: the sum of its squares
template <class T>
Arrays<T> sum_squares(const Arrays<T>& in) {
  Array<T> sum({1});
  for (int64_t i = 0; i < in[0].size(); ++i) sum(0) += in[0](i) * in[0](i);
  return {sum};
}

}  // namespace kernels::ref
