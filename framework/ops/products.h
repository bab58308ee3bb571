// What the ops of a linear layer y = x w^T + b share: its shapes, its work, and its three products on borrowed matrices.
// w (n, k); rows of x are k long, those of y n long.
#pragma once
#include "framework/core/shapes.h"
#include "framework/core/tape.h"
#include "framework/ops/matrix.h"
#include "kernels/matmul/matmul.h"

namespace adder::ops {

// Memory for y (..., n) of x (..., k), w (n, k) and b (n) or nothing; an error that names `op` where they do not fit.
inline Tensor linear_output(const char* op, const Var& x, const Var& w, const Var& b) {
  const Shapes check{op};
  const int64_t k = check.last("x", x, "k");
  const int64_t n = check("w", w, {"n", k})[0];
  if (b.defined()) check("b", b, {n});
  check.one_dtype({&x, &w, &b});
  Shape shape = x.shape();
  shape.back() = n;
  return Tensor::empty(shape, x.dtype(), x.device());
}

inline Work linear_work(const Var& x, const Var& w) {
  const double product = 2 * double(x.value().rows()) * double(w.dim(0)) * double(w.dim(1));
  return {.flops = product, .backward_flops = product * ((x.tape() != nullptr) + (w.tape() != nullptr)),
          .bf16 = w.value().multiplies_in_bf16()};
}

// y = x w^T + bias
template <class T>
void multiply(const kernels::Matrix<const T>& x, const Tensor& w, const T* bias, const kernels::Panels& panels, const kernels::Matrix<T>& y) {
  KERNEL(matmul, T)(w.device(), {.m = x.rows, .n = w.dim(0), .k = w.dim(1), .a = x.data, .a_row = x.stride, .a_col = 1,
                                 .b = w.data<T>(), .b_row = 1, .b_col = w.row_stride(), .c = y.data, .c_row = y.stride,
                                 .bias = bias, .bf16 = w.multiplies_in_bf16(), .panels = panels});
}

// dx[i,e] = sum_j dy[i,j] w[j,e], or added to what is there
template <class T>
void input_gradient(const kernels::Matrix<const T>& dy, const Tensor& w, const kernels::Matrix<T>& dx, bool add) {
  KERNEL(matmul, T)(w.device(), {.m = dy.rows, .n = w.dim(1), .k = w.dim(0), .a = dy.data, .a_row = dy.stride, .a_col = 1,
                                 .b = w.data<T>(), .b_row = w.row_stride(), .b_col = 1, .c = dx.data, .c_row = dx.stride,
                                 .accumulate = add, .bf16 = w.multiplies_in_bf16()});
}

// dw[j,e] = sum_i dy[i,j] x[i,e], or added to what is there: over rows in parts the sum is the same to the bit
template <class T>
void weight_gradient(const kernels::Matrix<const T>& dy, const kernels::Matrix<const T>& x, const Tensor& w, const kernels::Matrix<T>& dw,
                     bool add) {
  KERNEL(matmul, T)(w.device(), {.m = w.dim(0), .n = w.dim(1), .k = dy.rows, .a = dy.data, .a_row = 1, .a_col = dy.stride,
                                 .b = x.data, .b_row = x.stride, .b_col = 1, .c = dw.data, .c_row = dw.stride,
                                 .accumulate = add, .bf16 = w.multiplies_in_bf16()});
}

}  // namespace adder::ops
