#include "framework/ops/squared_error.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "kernels/squared_error/squared_error.h"

namespace adder::ops {
namespace {

void check_shapes(const Shapes& check, const Var& y, const Tensor& targets, const Tensor& labels) {
  check.last("y", y, 1);
  check.one_dtype({&y});
  const Shape expected(y.shape().begin(), y.shape().end() - 1);
  for (const auto& [name, t] : {std::pair{"targets", &targets}, {"labels", &labels}}) {
    if (!t->defined()) check.fail(std::string(name) + " is missing");
    if (t->shape() != expected)
      check.fail(std::string(name) + " has shape " + to_string(t->shape()) + ", expected " + to_string(expected));
  }
  if (labels.dtype() != DType::i32)
    check.fail(std::string("labels has dtype ") + name(labels.dtype()) + ", expected int32");
}

// What forward leaves behind, and what backward reads.
struct Rows {
  Tensor y, targets, labels, loss;

  Rows(const Tensor& in, const Tensor& wanted, const Tensor& scored)
      : y(in.with_even_rows()),
        targets(wanted.to(in.dtype()).clone()),
        labels(scored.clone()),
        loss(Tensor::empty(scored.shape(), DType::f64, in.device())) {}

  template <class T>
  kernels::SquaredError<T> arguments(int32_t ignored) const {
    kernels::SquaredError<T> a{.y = matrix<const T>(y), .target = targets.data<T>()};
    a.labels = labels.data<int32_t>(), a.ignored = ignored, a.loss = loss.data<double>();
    return a;
  }
};

}  // namespace

Var mean_squared_error(const Var& y, const Tensor& targets, const Tensor& labels, int32_t ignore_index) {
  check_shapes(Shapes{"mean_squared_error"}, y, targets, labels);
  return by_dtype(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Rows rows(y.value(), targets, labels);
    const auto a = rows.arguments<T>(ignore_index);
    KERNEL(squared_error_fwd, T)(y.device(), a);
    double total = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < a.y.rows; ++i) total += a.loss[i], count += a.labels[i] != ignore_index;
    const Tensor mean = Tensor::full({}, count ? total / double(count) : 0, y.dtype(), y.device());
    return record("mean_squared_error", mean, {y}, [a, rows, count](const Adjoints& g) {
      auto b = a;
      const Tensor dy = g.in(0);
      b.dy = matrix<T>(dy);
      b.scale = count ? g.out(0).item() / double(count) : 0;
      KERNEL(squared_error_bwd, T)(rows.y.device(), b);
    });
  });
}

Tensor squared_errors(const Tensor& y, const Tensor& targets, const Tensor& labels, int32_t ignore_index) {
  check_shapes(Shapes{"squared_errors"}, y, targets, labels);
  const Rows rows(y, targets, labels);
  by_dtype(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    KERNEL(squared_error_fwd, T)(y.device(), rows.arguments<T>(ignore_index));
  });
  return rows.loss;
}

}  // namespace adder::ops
