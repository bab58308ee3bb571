// The definition, read straight off dropout.h.
#pragma once
#include "kernels/array.h"

namespace kernels::ref {

// in: x; kept: one flag an element; out: y
template <class T>
Arrays<T> dropout(const Arrays<T>& in, const std::vector<bool>& kept, double p) {
  Array<T> y = in[0];
  for (size_t i = 0; i < y.data.size(); ++i) y.data[i] *= kept[i] ? 1 / (1 - p) : 0.0;
  return {y};
}

}  // namespace kernels::ref
