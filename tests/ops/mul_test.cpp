#include "framework/ops/mul.h"

#include "kernels/mul/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

OpCase mul_case(const Shape& shape) {
  return {.op = [](const std::vector<Var>& in) { return std::vector<Var>{ops::mul(in[0], in[1])}; },
          .ref = reference([](const auto& in) { return kernels::ref::mul(in); }),
          .inputs = {normal_input(shape, 1), normal_input(shape, 2)}};
}

TEST(Mul, MatchesItsDefinition) {
  for (const Shape& shape : {Shape{1}, {5}, {2, 7, 5}, {3, 16}, {2, 3, 33}}) expect_op("mul", mul_case(shape));
}

TEST(Mul, ASquareHasTwiceTheGradient) {
  Tape tape;
  Parameter p{.name = "x", .value = Tensor::from<float>({3}, {1, -2, 3})};
  const Var x = tape.use(p);
  tape.backward(ops::mul(x, x));
  for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(p.grad.item(i), 2 * p.value.item(i));
}

TEST(Mul, SameBitsOnThreadsAndTargets) { expect_bits("mul", mul_case({50, 1001})); }

TEST(Mul, NamesTheArgumentThatDoesNotFit) {
  EXPECT_EQ(message_of([] { ops::mul(Tensor::zeros({2, 3}), Tensor::zeros({3, 2})); }),
            "[mul] b has shape [3, 2], expected that of a, [2, 3]");
}

}  // namespace
}  // namespace adder
