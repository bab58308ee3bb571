#include "framework/ops/dropout.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "kernels/dropout/dropout.h"

namespace adder::ops {

Var dropout(const Var& x, double p, const Random& stream) {
  const Shapes check{"dropout"};
  if (!x.defined()) check.fail("x is missing");
  check.one_dtype({&x});
  if (!(p >= 0 && p < 1)) check.fail("p is " + std::to_string(p) + ", expected 0 <= p < 1");
  if (p == 0) return x;

  return by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor in = x.value().with_even_rows(), y = Tensor::like(x.value());
    const Tensor kept = Tensor::empty({kernels::dropout_words(in.size())}, DType::i32, x.device());
    const T scale = T(1 / (1 - p));
    KERNEL(dropout_fwd, T)(x.device(), {matrix<const T>(in), kept.data<int32_t>(), scale, matrix<T>(y), stream.key(), stream.counter(),
                                        uint32_t(p * 0x1p32)});
    return record("dropout", y, {x}, [kept, scale](const Adjoints& g) {
      const Tensor dy = g.out(0).with_even_rows(), dx = g.in(0);
      KERNEL(dropout_bwd, T)(dy.device(), {matrix<const T>(dy), kept.data<int32_t>(), scale, matrix<T>(dx)});
    });
  });
}

}  // namespace adder::ops
