#include "framework/ops/add.h"

#include "kernels/add/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

OpCase add_case(const Shape& shape) {
  return {.op = [](const std::vector<Var>& in) { return std::vector<Var>{ops::add(in[0], in[1])}; },
          .ref = reference([](const auto& in) { return kernels::ref::add(in); }),
          .inputs = {normal_input(shape, 1), normal_input(shape, 2)}};
}

TEST(Add, MatchesItsDefinition) {
  for (const Shape& shape : {Shape{1}, {17}, {3, 5}, {2, 3, 19}}) expect_op("add", add_case(shape));
}

TEST(Add, SameBitsOnThreadsAndTargets) {
  expect_bits("add", add_case({301, 77}));
  expect_bits("add", add_case({2, 40001}));
}

TEST(Add, OneVariableTwice) {
  // x + x, then + x: the adjoint is handed on three times and must not be written to in between.
  Tape tape;
  Parameter p{.name = "p", .value = Tensor::full({4}, 3)};
  const Var x = tape.use(p), twice = ops::add(x, x), y = ops::add(ops::add(twice, x), twice);
  const Tensor adjoint = Tensor::full({4}, 1);
  tape.backward({{y, adjoint}});
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(y.value().item(i), 15);
    EXPECT_EQ(p.grad.item(i), 5);
    EXPECT_EQ(adjoint.item(i), 1) << "the caller's tensor was written to";
  }
}

TEST(Add, RefusesAnotherShape) {
  try {
    ops::add(Var(Tensor::zeros({2, 7})), Var(Tensor::zeros({2, 5})));
    FAIL() << "no error";
  } catch (const std::exception& e) {
    EXPECT_STREQ(e.what(), "[add] b has shape [2, 5], expected that of a, [2, 7]");
  }
}

}  // namespace
}  // namespace adder
