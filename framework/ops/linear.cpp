#include "framework/ops/linear.h"

#include <utility>

#include "framework/ops/panels.h"
#include "framework/ops/products.h"
#include "kernels/column_sum/column_sum.h"

namespace adder::ops {
namespace {

template <class T>
void add_input_gradient(const Tensor& dy, const Tensor& w, const Adjoints& g) {
  if (!g.wants(0)) return;
  const bool add = !g.begin(0);
  input_gradient<T>(matrix<const T>(dy), w, matrix<T>(g.in(0)), add);
}

template <class T>
void add_weight_gradient(const Tensor& dy, const Tensor& x, const Tensor& w, const Adjoints& g) {
  if (!g.wants(1)) return;
  const bool add = !g.begin(1);
  weight_gradient<T>(matrix<const T>(dy), matrix<const T>(x), w, matrix<T>(g.in(1)), add);
}

// x undefined: it is computed anew, and the weight's gradient waits for it.
template <class T>
void backward(const Tensor& x, const Tensor& w, const Adjoints& g) {
  const Tensor dy = g.out(0).with_even_rows();
  add_input_gradient<T>(dy, w, g);
  if (x.defined()) add_weight_gradient<T>(dy, x, w, g);
  else g.await(0, [dy, w](const Tensor& again, const Adjoints& later) { add_weight_gradient<T>(dy, again, w, later); });
  const Tensor db = g.in(2);
  if (db.defined()) KERNEL(column_sum, T)(dy.device(), {.x = matrix<const T>(dy), .sum = pointer<T>(db)});
}

}  // namespace

Var linear(const Var& x, const Var& w, const Var& b) {
  const Tensor y = linear_output("linear", x, w, b);
  return by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor in = x.value().with_even_rows(), weight = w.value();
    multiply<T>(matrix<const T>(in), weight, pointer<const T>(b.value()), panels_of<T>(weight, in.rows()), matrix<T>(y));
    if (remade_in_time(x, w)) in = Tensor();
    return record("linear", y, {x, w, b},
                  [in = std::move(in), weight = std::move(weight)](const Adjoints& g) { backward<T>(in, weight, g); }, linear_work(x, w));
  });
}

}  // namespace adder::ops
