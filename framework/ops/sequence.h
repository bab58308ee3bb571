// Tensors (batch, length, channels) as the borrowed sequences that kernels take, whatever the leading strides.
#pragma once
#include "framework/core/tensor.h"
#include "kernels/sequence.h"

namespace adder::ops {

// Undefined: a null sequence.
template <class T>
kernels::Sequence<T> sequence(const Tensor& x) {
  if (!x.defined()) return {};
  return {x.data<std::remove_const_t<T>>(), x.dim(0), x.dim(1), x.dim(2), x.stride(0), x.stride(1)};
}

}  // namespace adder::ops
