#include "framework/ops/stack_time.h"

#include "framework/core/shapes.h"

namespace adder::ops {
namespace {

Tensor cleared(const Tensor& x, const Tensor& starts) {
  const Tensor y = x.clone();
  for (int64_t b = 0; b < y.dim(0); ++b)
    if (starts.item(b) != 0) y.narrow(0, b, 1).zero();
  return y;
}

}  // namespace

Var stack_time(const std::vector<Var>& steps) {
  const Shapes check{"stack_time"};
  if (steps.empty()) check.fail("no steps, expected at least 1");
  const auto [batch, channels] = check("steps[0]", steps[0], {"batch", "channels"});
  for (size_t t = 1; t < steps.size(); ++t) {
    check(("steps[" + std::to_string(t) + "]").c_str(), steps[t], {batch, channels});
    check.one_dtype({&steps[0], &steps[t]});
  }
  const int64_t length = int64_t(steps.size());
  const Tensor y = Tensor::empty({batch, length, channels}, steps[0].dtype(), steps[0].device());
  for (int64_t t = 0; t < length; ++t)
    y.narrow(1, t, 1).copy_from(steps[size_t(t)].value().reshape({batch, 1, channels}));
  return record("stack_time", y, steps, [batch, length, channels](const Adjoints& g) {
    const Tensor dy = g.out(0);
    for (int64_t t = 0; t < length; ++t) g.give(size_t(t), dy.narrow(1, t, 1).reshape({batch, channels}));
  });
}

Var clear_rows(const Var& x, const Tensor& starts) {
  const Shapes check{"clear_rows"};
  const auto [batch, channels] = check("x", x, {"batch", "channels"});
  check("starts", starts, {batch});
  if (starts.dtype() != DType::i32)
    check.fail(std::string("starts has dtype ") + name(starts.dtype()) + ", expected int32");
  return record("clear_rows", cleared(x.value(), starts), {x},
                [starts](const Adjoints& g) { g.give(0, cleared(g.out(0), starts)); });
}

}  // namespace adder::ops
