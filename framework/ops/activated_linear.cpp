#include "framework/ops/activated_linear.h"

#include <algorithm>

#include "framework/core/shapes.h"
#include "framework/ops/panels.h"
#include "framework/ops/products.h"
#include "kernels/column_sum/column_sum.h"

namespace adder::ops {
namespace {

using Kind = kernels::ActivationKind;

// Rows at a time: even shares of at most as many as a block of k holds where a weight's gradient sums over rows
// (kernels/matmul/cpu.cpp), so that the parts pack what the whole would.
int64_t rows_of_part(int64_t rows) {
  constexpr int64_t most = 512, together = 8;
  const int64_t parts = std::max<int64_t>(1, (rows + most - 1) / most), share = (rows + parts - 1) / parts;
  return (share + together - 1) / together * together;
}

// task(first row, number of rows)
template <class F>
void for_parts(int64_t rows, F task) {
  const int64_t step = rows_of_part(rows);
  for (int64_t first = 0; first < rows; first += step) task(first, std::min(step, rows - first));
}

template <class T>
kernels::Matrix<T> part(const kernels::Matrix<T>& x, int64_t first, int64_t rows) {
  return {x ? x.row(first) : nullptr, rows, x.columns, x.stride};
}

// Memory for a part of f(x), or of its gradient.
Tensor room_for_part(const Tensor& x) { return Tensor::empty({rows_of_part(x.rows()), x.columns()}, x.dtype(), x.device()); }

template <class T>
void forward(Kind f, const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& y) {
  const Tensor room = room_for_part(x);
  const auto all_x = matrix<const T>(x);
  const auto all_y = matrix<T>(y);
  for_parts(x.rows(), [&](int64_t first, int64_t rows) {
    const auto h = part(matrix<T>(room), 0, rows);
    KERNEL(activation_fwd, T)(x.device(), {.kind = f, .x = part(all_x, first, rows), .y = h});
    multiply<T>({h.data, rows, h.columns, h.stride}, w, pointer<const T>(b), panels_of<T>(w, x.rows()), part(all_y, first, rows));
  });
}

template <class T>
void backward(Kind f, const Tensor& x, const Tensor& w, const Adjoints& g) {
  const Tensor dy = g.out(0).with_even_rows();
  const auto all_x = matrix<const T>(x), all_dy = matrix<const T>(dy);
  const bool fresh = g.fresh(1);
  const Tensor dw = fresh ? Tensor::empty(w.shape(), w.dtype(), w.device()) : g.in(1), db = g.in(2);
  const Tensor room = room_for_part(x), gradient_room = g.wants(0) ? room_for_part(x) : Tensor();
  const auto [before, dx] = g.onto(0, x);
  const auto all_before = matrix<const T>(before);
  const auto all_dx = matrix<T>(dx);
  for_parts(x.rows(), [&](int64_t first, int64_t rows) {
    const auto h = part(matrix<T>(room), 0, rows), dh = part(matrix<T>(gradient_room), 0, rows);
    const auto some_dy = part(all_dy, first, rows);
    kernels::Activation<T> a{.kind = f, .x = part(all_x, first, rows), .y = h};
    if (dh) {
      input_gradient<T>(some_dy, w, dh, false);
      a.dy = {dh.data, rows, dh.columns, dh.stride};
      a.before = part(all_before, first, rows), a.dx = part(all_dx, first, rows);
      KERNEL(activation_bwd, T)(x.device(), a);
    } else {
      KERNEL(activation_fwd, T)(x.device(), a);
    }
    if (dw.defined()) weight_gradient<T>(some_dy, {h.data, rows, h.columns, h.stride}, w, matrix<T>(dw), !fresh || first > 0);
  });
  if (fresh) g.give(1, dw);
  if (db.defined()) KERNEL(column_sum, T)(dy.device(), {.x = all_dy, .sum = pointer<T>(db)});
}

}  // namespace

Var activated_linear(Kind f, Var x, const Var& w, const Var& b) {
  const Shapes check{"activated_linear"};
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
    forward<T>(f, in, weight, b.value(), y);
    const double product = 2 * double(in.rows()) * double(n) * double(k), exps = f == Kind::relu || f == Kind::relu_squared ? 0 : double(in.size());
    const Work work{.flops = product, .backward_flops = product * ((x.tape() != nullptr) + (w.tape() != nullptr)),
                    .exps = exps, .backward_exps = exps, .bf16 = weight.multiplies_in_bf16()};
    return record("activated_linear", y, {x, w, b}, [f, in, weight](const Adjoints& g) { backward<T>(f, in, weight, g); }, work);
  });
}

}  // namespace adder::ops
