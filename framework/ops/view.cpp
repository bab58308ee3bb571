#include "framework/ops/view.h"

#include <numeric>

#include "framework/core/shapes.h"

namespace adder::ops {

Var narrow(const Var& x, int axis, int64_t start, int64_t length) {
  return record_view(x, x.value().narrow(axis, start, length),
                     [=](const Tensor& adjoint) { return adjoint.narrow(axis, start, length); });
}

std::vector<Var> split(const Var& x, const std::vector<int64_t>& sizes) {
  const Shapes check{"split"};
  const int64_t total = std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
  check.last("x", x, total);
  std::vector<Var> parts;
  int64_t start = 0;
  for (const int64_t size : sizes) {
    parts.push_back(narrow(x, -1, start, size));
    start += size;
  }
  return parts;
}

// The adjoint is handed over rather than viewed: a gradient and its value may differ in strides, and then a
// reshape that is a view of one is a copy of the other.
Var reshape(const Var& x, const Shape& shape) {
  return record("reshape", x.value().reshape(shape), {x},
                [shape = x.shape()](const Adjoints& g) { g.give(0, g.out(0).reshape(shape)); });
}

}  // namespace adder::ops
