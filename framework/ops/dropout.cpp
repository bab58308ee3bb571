#include "framework/ops/dropout.h"

#include <algorithm>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "kernels/dropout/dropout.h"

namespace adder::ops {
namespace {

// One bit an element, 32 to a word.
Tensor draw_mask(int64_t n, double p, const Random& stream, Device device) {
  const Tensor kept = Tensor::empty({(n + 31) / 32}, DType::i32, device);
  int32_t* words = kept.data<int32_t>();
  const uint64_t dropped = uint64_t(p * 0x1p32);  // bits below it drop
  kernels::parallel_blocks(kept.size(), 64, [&](int64_t first, int64_t last) {
    for (int64_t w = first; w < last; ++w) {
      uint32_t word = 0;
      for (int64_t i = w * 32; i < std::min(n, w * 32 + 32); ++i)
        word |= uint32_t(stream.bits(uint64_t(i)) >= dropped) << (i % 32);
      words[w] = int32_t(word);
    }
  });
  return kept;
}

}  // namespace

Var dropout(const Var& x, double p, const Random& stream) {
  const Shapes check{"dropout"};
  if (!x.defined()) check.fail("x is missing");
  check.one_dtype({&x});
  if (!(p >= 0 && p < 1)) check.fail("p is " + std::to_string(p) + ", expected 0 <= p < 1");
  if (p == 0) return x;

  return by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor in = x.value().with_even_rows(), y = Tensor::like(x.value());
    const Tensor kept = draw_mask(in.size(), p, stream, x.device());
    const T scale = T(1 / (1 - p));
    KERNEL(dropout_fwd, T)(x.device(), {matrix<const T>(in), kept.data<int32_t>(), scale, matrix<T>(y)});
    return record("dropout", y, {x}, [kept, scale](const Adjoints& g) {
      const Tensor dy = g.out(0).with_even_rows(), dx = g.in(0);
      KERNEL(dropout_bwd, T)(dy.device(), {matrix<const T>(dy), kept.data<int32_t>(), scale, matrix<T>(dx)});
    });
  });
}

}  // namespace adder::ops
