#include "framework/ops/linear.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/panels.h"
#include "kernels/column_sum/column_sum.h"
#include "kernels/matmul/matmul.h"

namespace adder::ops {
namespace {

// The gradient of input i, (shape), as product(gradient, whether to add into it) computes it.
template <class F>
void add_product(const Adjoints& g, size_t i, const Tensor& like, F product) {
  if (!g.wants(i)) return;
  if (!g.fresh(i)) return product(g.in(i), true);
  const Tensor gradient = Tensor::like(like);
  product(gradient, false);
  g.give(i, gradient);
}

template <class T>
void backward(const Tensor& x, const Tensor& w, const Adjoints& g) {
  const Tensor dy = g.out(0).with_even_rows();
  const int64_t rows = x.rows(), k = x.columns(), n = w.dim(0);
  const bool bf16 = w.multiplies_in_bf16();
  add_product(g, 0, x, [&](const Tensor& dx, bool add) {  // dx[i,e] += sum_j dy[i,j] w[j,e]
    KERNEL(matmul, T)(x.device(), {.m = rows, .n = k, .k = n, .a = dy.data<T>(), .a_row = dy.row_stride(), .a_col = 1,
                                   .b = w.data<T>(), .b_row = w.row_stride(), .b_col = 1,
                                   .c = dx.data<T>(), .c_row = dx.row_stride(), .accumulate = add, .bf16 = bf16});
  });
  add_product(g, 1, w, [&](const Tensor& dw, bool add) {  // dw[j,e] += sum_i dy[i,j] x[i,e]
    KERNEL(matmul, T)(x.device(), {.m = n, .n = k, .k = rows, .a = dy.data<T>(), .a_row = 1, .a_col = dy.row_stride(),
                                   .b = x.data<T>(), .b_row = x.row_stride(), .b_col = 1,
                                   .c = dw.data<T>(), .c_row = dw.row_stride(), .accumulate = add, .bf16 = bf16});
  });
  const Tensor db = g.in(2);
  if (db.defined()) KERNEL(column_sum, T)(x.device(), {.x = matrix<const T>(dy), .sum = pointer<T>(db)});
}

}  // namespace

Var linear(const Var& x, const Var& w, const Var& b) {
  const Shapes check{"linear"};
  const int64_t k = check.last("x", x, "k");
  const int64_t n = check("w", w, {"n", k})[0];
  if (b.defined()) check("b", b, {n});
  check.one_dtype({&x, &w, &b});

  return by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor in = x.value().with_even_rows(), weight = w.value();
    Shape shape = x.shape();
    shape.back() = n;
    const Tensor y = Tensor::empty(shape, x.dtype(), x.device());
    KERNEL(matmul, T)(x.device(), {.m = in.rows(), .n = n, .k = k, .a = in.data<T>(), .a_row = in.row_stride(), .a_col = 1,
                                   .b = weight.data<T>(), .b_row = 1, .b_col = weight.row_stride(),
                                   .c = y.data<T>(), .c_row = n, .bias = pointer<const T>(b.value()),
                                   .bf16 = weight.multiplies_in_bf16(), .panels = panels_of<T>(weight, in.rows())});
    const double product = 2 * double(in.rows()) * double(n) * double(k);
    const Work work{.flops = product, .backward_flops = product * ((x.tape() != nullptr) + (w.tape() != nullptr)),
                    .bf16 = weight.multiplies_in_bf16()};
    return record("linear", y, {x, w, b}, [in, weight](const Adjoints& g) { backward<T>(in, weight, g); }, work);
  });
}

}  // namespace adder::ops
