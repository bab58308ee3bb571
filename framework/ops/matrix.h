// Tensors as kernels take them: borrowed matrices (all leading axes become rows) and pointers to dense memory.
#pragma once
#include "framework/core/error.h"
#include "framework/core/tensor.h"
#include "kernels/kernel.h"
#include "kernels/matrix.h"

namespace adder::ops {

// x must have evenly spaced rows (Tensor::with_even_rows), an error otherwise. Undefined: a null matrix.
template <class T>
kernels::Matrix<T> matrix(const Tensor& x) {
  if (!x.defined()) return {};
  if (!x.rows_collapse())
    throw Error("[matrix] rows of a tensor of shape " + to_string(x.shape()) +
                " step unevenly; use with_even_rows()");
  return {x.data<std::remove_const_t<T>>(), x.rows(), x.columns(), x.row_stride()};
}

// x must be contiguous (dense, Adjoints::in_dense), an error otherwise. Undefined: null.
template <class T>
T* pointer(const Tensor& x) {
  if (!x.defined()) return nullptr;
  if (!x.contiguous())
    throw Error("[pointer] a tensor of shape " + to_string(x.shape()) +
                " is strided, expected contiguous memory; use dense() or Adjoints::in_dense()");
  return x.data<std::remove_const_t<T>>();
}

// Itself where it is contiguous or undefined, else a contiguous copy.
inline Tensor dense(const Tensor& x) { return !x.defined() || x.contiguous() ? x : x.clone(); }

}  // namespace adder::ops
