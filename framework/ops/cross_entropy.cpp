#include "framework/ops/cross_entropy.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "kernels/cross_entropy/cross_entropy.h"

namespace adder::ops {
namespace {

// How many labels count, once all of them are known to be in range.
int64_t counted(const Shapes& check, const Var& logits, const Tensor& labels, int32_t ignored) {
  const int64_t vocabulary = check.last("logits", logits, "V");
  check.one_dtype({&logits});
  if (!labels.defined()) check.fail("labels is missing");
  if (labels.dtype() != DType::i32)
    check.fail(std::string("labels has dtype ") + name(labels.dtype()) + ", expected int32");
  const Shape expected(logits.shape().begin(), logits.shape().end() - 1);
  if (labels.shape() != expected)
    check.fail("labels has shape " + to_string(labels.shape()) + ", expected " + to_string(expected));
  const int32_t* label = labels.data<int32_t>();
  int64_t count = 0;
  for (int64_t i = 0, n = labels.size(); i < n; ++i) {
    if (label[i] == ignored) continue;
    if (label[i] < 0 || label[i] >= vocabulary)
      check.fail("labels[" + std::to_string(i) + "] is " + std::to_string(label[i]) + ", expected 0 to " +
                 std::to_string(vocabulary - 1) + ", or " + std::to_string(ignored) + " to ignore it");
    ++count;
  }
  return count;
}

Tensor packed(const Tensor& labels) {
  return !labels.defined() || labels.contiguous() ? labels : labels.clone();
}

// What forward leaves behind: the loss of each row, and what backward reads.
struct Rows {
  Tensor logits, labels, loss, peak, inverse, log_z;

  Rows(const Tensor& x, const Tensor& row_labels)
      : logits(x.with_even_rows()),
        labels(row_labels),
        loss(Tensor::empty(row_labels.shape(), DType::f64, x.device())),
        peak(Tensor::empty({x.rows()}, x.dtype(), x.device())),
        inverse(Tensor::empty({x.rows()}, x.dtype(), x.device())) {}

  template <class T>
  kernels::CrossEntropy<T> arguments(int32_t ignored) const {
    kernels::CrossEntropy<T> a{.x = matrix<const T>(logits), .labels = labels.data<int32_t>()};
    a.ignored = ignored, a.loss = loss.data<double>();
    a.peak = peak.data<T>(), a.inverse = inverse.data<T>();
    if (log_z.defined()) a.log_z = log_z.data<double>();
    return a;
  }
};

// The mean loss over the labels that count, rank 0; `with_z`: the mean of log(Z)^2, too.
std::vector<Var> means(const char* op, const Var& logits, const Tensor& labels, int32_t ignored, bool with_z) {
  const Tensor row_labels = packed(labels);
  const int64_t count = counted(Shapes{op}, logits, row_labels, ignored);
  return by_dtype(logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Rows rows(logits.value(), row_labels);
    if (with_z) rows.log_z = Tensor::like(rows.loss);
    const auto a = rows.arguments<T>(ignored);
    KERNEL(cross_entropy_fwd, T)(logits.device(), a);
    double total = 0, squares = 0;
    for (int64_t i = 0; i < a.x.rows; ++i) total += a.loss[i];
    for (int64_t i = 0; with_z && i < a.x.rows; ++i) squares += a.log_z[i] * a.log_z[i];
    const auto mean = [&](double sum) {
      return Tensor::full({}, count ? sum / double(count) : 0, logits.dtype(), logits.device());
    };
    std::vector<Tensor> out = {mean(total)};
    if (with_z) out.push_back(mean(squares));
    rows.loss = Tensor();
    return record(op, out, {logits}, [a, rows, count, with_z](const Adjoints& g) {
      const auto share = [&](const Tensor& adjoint) {
        return count && adjoint.defined() ? adjoint.item() / double(count) : 0;
      };
      auto b = a;
      b.overwrite = g.fresh(0) && !rows.logits.shares_storage();  // nobody else will look at the logits any more
      const Tensor dx = b.overwrite ? rows.logits : g.in(0);
      b.loss = nullptr, b.dx = matrix<T>(dx);
      b.scale = T(share(g.out(0)));
      if (with_z) b.square_scale = share(g.out(1));
      KERNEL(cross_entropy_bwd, T)(rows.logits.device(), b);
      if (b.overwrite) g.give(0, dx);
    }, {.exps = double(rows.logits.size()), .backward_exps = double(rows.logits.size())});
  });
}

}  // namespace

Var cross_entropy(const Var& logits, const Tensor& labels, int32_t ignore_index) {
  return means("cross_entropy", logits, labels, ignore_index, false)[0];
}

LossAndSquare cross_entropy_and_z(const Var& logits, const Tensor& labels, int32_t ignore_index) {
  const auto both = means("cross_entropy", logits, labels, ignore_index, true);
  return {both[0], both[1]};
}

Tensor token_losses(const Tensor& logits, const Tensor& labels, int32_t ignore_index) {
  const Tensor row_labels = packed(labels);
  counted(Shapes{"token_losses"}, logits, row_labels, ignore_index);
  const Rows rows(logits, row_labels);
  by_dtype(logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    KERNEL(cross_entropy_fwd, T)(logits.device(), rows.arguments<T>(ignore_index));
  });
  return rows.loss;
}

}  // namespace adder::ops
