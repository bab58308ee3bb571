// Tensors as the borrowed matrices that kernels take: all leading axes become rows.
#pragma once
#include "framework/core/tensor.h"
#include "kernels/kernel.h"
#include "kernels/matrix.h"

namespace adder::ops {

// x must have evenly spaced rows (Tensor::with_even_rows). Undefined: a null matrix.
template <class T>
kernels::Matrix<T> matrix(const Tensor& x) {
  if (!x.defined()) return {};
  return {x.data<std::remove_const_t<T>>(), x.rows(), x.columns(), x.row_stride()};
}

template <class T>
T* pointer(const Tensor& x) {
  return x.defined() ? x.data<std::remove_const_t<T>>() : nullptr;
}

}  // namespace adder::ops
