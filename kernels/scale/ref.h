// The definition, read straight off scale.h.
#pragma once
#include "kernels/array.h"

namespace kernels::ref {

// in: x [rows, columns], s; out: y
template <class T>
Arrays<T> scale(const Arrays<T>& in, bool by_row) {
  Array<T> y = in[0];
  const auto [rows, columns] = dims<2>(y);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) y(r, c) *= in[1](by_row ? r : c);
  return {y};
}

}  // namespace kernels::ref
