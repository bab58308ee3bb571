// The definition, read straight off gated.h.
#pragma once
#include "kernels/array.h"
#include "kernels/gated/gated.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

// in: gate, up; out: y
template <class T>
Arrays<T> gated(GateKind kind, const Arrays<T>& in) {
  Array<T> y = in[0];
  for (size_t i = 0; i < y.data.size(); ++i) {
    const T gate = in[0].data[i];
    y.data[i] = (kind == GateKind::silu ? silu(gate) : sigmoid(gate)) * in[1].data[i];
  }
  return {y};
}

}  // namespace kernels::ref
