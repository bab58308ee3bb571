// The definition, read straight off embedding.h.
#pragma once
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: ids [positions], w [vocabulary, channels]; out: y [positions, channels]
template <class T>
Arrays<T> embedding(const Arrays<T>& in) {
  const Array<T>&ids = in[0], &w = in[1];
  Array<T> y({ids.size(), w.dim(1)});
  for (int64_t i = 0; i < ids.size(); ++i)
    for (int64_t d = 0; d < w.dim(1); ++d) y(i, d) = w(int64_t(real(ids(i))), d);
  return {y};
}

}  // namespace kernels::ref
