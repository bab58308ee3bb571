#include "framework/ops/embedding.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "kernels/embedding/embedding.h"

namespace adder::ops {
namespace {

void check_ids(const Shapes& check, const Tensor& ids, int64_t vocabulary) {
  const int32_t* id = ids.data<int32_t>();
  for (int64_t i = 0, n = ids.size(); i < n; ++i)
    if (id[i] < 0 || id[i] >= vocabulary)
      check.fail("ids[" + std::to_string(i) + "] is " + std::to_string(id[i]) + ", expected 0 to " +
                 std::to_string(vocabulary - 1));
}

}  // namespace

Var embedding(const Tensor& ids, const Var& weight) {
  const Shapes check{"embedding"};
  const auto [vocabulary, channels] = check("weight", weight, {"V", "D"});
  check.one_dtype({&weight});
  if (!ids.defined()) check.fail("ids is missing");
  if (ids.dtype() != DType::i32)
    check.fail(std::string("ids has dtype ") + name(ids.dtype()) + ", expected int32");
  const Tensor at = ids.contiguous() ? ids : ids.clone();
  check_ids(check, at, vocabulary);
  Shape shape = ids.shape();
  shape.push_back(channels);

  return by_dtype(weight.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor y = Tensor::empty(shape, weight.dtype(), weight.device()), w = weight.value();
    kernels::Embedding<T> a{.ids = at.data<int32_t>(), .w = matrix<const T>(w)};
    a.y = matrix<T>(y);
    KERNEL(embedding_fwd, T)(weight.device(), a);
    const double moved = double(y.size()) * double(sizeof(T));  // only the rows that are looked up
    return record("embedding", y, {weight}, [a, at, device = weight.device()](const Adjoints& g) {
      auto b = a;
      const Tensor dy = g.out(0).with_even_rows(), dw = g.in(0);
      b.dy = matrix<const T>(dy), b.dw = matrix<T>(dw);
      KERNEL(embedding_bwd, T)(device, b);
    }, {.bytes = 2 * moved, .backward_bytes = 3 * moved});
  });
}

}  // namespace adder::ops
