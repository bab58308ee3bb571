#include "framework/ops/activated_linear.h"

#include <algorithm>
#include <utility>

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
    KERNEL(activation_fwd, T)(x.device(), {.kind = f, .x = part(all_x, first, rows), .y = part(matrix<T>(room), 0, rows)});
    multiply<T>(part(matrix<const T>(room), 0, rows), w, pointer<const T>(b), panels_of<T>(w, x.rows()), part(all_y, first, rows));
  });
}

template <class T>
void backward(Kind f, const Tensor& x, const Tensor& w, const Adjoints& g) {
  const Tensor dy = g.out(0).with_even_rows();
  const auto all_x = matrix<const T>(x), all_dy = matrix<const T>(dy);
  const bool add = !g.begin(1);
  const Tensor dw = g.in(1), db = g.in(2);
  const Tensor room = room_for_part(x), gradient_room = g.wants(0) ? room_for_part(x) : Tensor();
  const auto [before, dx] = g.onto(0, x);
  const auto all_before = matrix<const T>(before);
  const auto all_dx = matrix<T>(dx);
  for_parts(x.rows(), [&](int64_t first, int64_t rows) {
    const auto dh = part(matrix<T>(gradient_room), 0, rows);
    const auto some_dy = part(all_dy, first, rows);
    kernels::Activation<T> a{.kind = f, .x = part(all_x, first, rows), .y = part(matrix<T>(room), 0, rows)};
    if (dh) {
      input_gradient<T>(some_dy, w, dh, false);
      a.dy = part(matrix<const T>(gradient_room), 0, rows);
      a.before = part(all_before, first, rows), a.dx = part(all_dx, first, rows);
      KERNEL(activation_bwd, T)(x.device(), a);
    } else {
      KERNEL(activation_fwd, T)(x.device(), a);
    }
    if (dw.defined()) weight_gradient<T>(some_dy, part(matrix<const T>(room), 0, rows), w, matrix<T>(dw), add || first > 0);
  });
  if (db.defined()) KERNEL(column_sum, T)(dy.device(), {.x = all_dy, .sum = pointer<T>(db)});
}

}  // namespace

Var activated_linear(Kind f, Var x, const Var& w, const Var& b) {
  const Tensor y = linear_output("activated_linear", x, w, b);
  return by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor in = x.value().with_even_rows(), weight = w.value();
    forward<T>(f, in, weight, b.value(), y);
    Work work = linear_work(x, w);
    work.exps = work.backward_exps = kernels::takes_exp(f) ? double(in.size()) : 0;
    return record("activated_linear", y, {x, w, b},
                  [f, in = std::move(in), weight = std::move(weight)](const Adjoints& g) { backward<T>(f, in, weight, g); }, work);
  });
}

}  // namespace adder::ops
