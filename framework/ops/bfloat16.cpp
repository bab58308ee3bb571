#include "framework/ops/bfloat16.h"

#include "framework/core/shapes.h"

namespace adder::ops {

Var to_bfloat16(const Var& x) {
  const Shapes check{"to_bfloat16"};
  if (x.dtype() != DType::f32) check.fail(std::string("x has dtype ") + name(x.dtype()) + ", expected float32");
  if (recording({x})) check.fail("x is recorded, but rounding has no gradient; expected a pass without a tape");
  return x.value().to(DType::bf16);
}

}  // namespace adder::ops
