#include "framework/ops/linear.h"

#include "kernels/matmul/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

OpCase linear_case(int64_t rows, int64_t k, int64_t n, bool bias) {
  OpCase c{.op = [](const std::vector<Var>& in) { return std::vector<Var>{ops::linear(in[0], in[1], in[2])}; },
           .ref = reference([](const auto& in) { return kernels::ref::linear(in); }),
           .inputs = {normal_input({rows, k}, 1), normal_input({n, k}, 2), Tensor()}};
  if (bias) c.inputs[2] = normal_input({n}, 3);
  return c;
}

TEST(Linear, MatchesItsDefinition) {
  for (bool bias : {false, true})
    for (auto [rows, k, n] : {std::array<int64_t, 3>{1, 1, 1}, {3, 5, 7}, {15, 9, 33}, {17, 4, 2}, {2, 19, 6}})
      expect_op("linear", linear_case(rows, k, n, bias));
}

TEST(Linear, SameBitsOnThreadsAndTargets) {
  expect_bits("linear", linear_case(300, 801, 130, true));
  expect_bits("linear", linear_case(70, 129, 9000, false));
}

TEST(Linear, ARowOfABatchHasTheBitsOfThatRowAlone) {
  const Tensor x = normal_input({333, 500}, 1).to(DType::f32), w = normal_input({217, 500}, 2).to(DType::f32);
  const Tensor all = ops::linear(x, w).value();
  for (int64_t i : {0, 100, 332}) {
    const Tensor one = ops::linear(x.narrow(0, i, 1), w).value();
    for (int64_t j = 0; j < 217; ++j) ASSERT_EQ(one.item(j), all.item(i * 217 + j)) << i << ", " << j;
  }
}

TEST(Linear, RefusesShapesThatDoNotFit) {
  try {
    ops::linear(Var(Tensor::zeros({2, 7})), Var(Tensor::zeros({3, 5})));
    FAIL() << "no error";
  } catch (const std::exception& e) {
    EXPECT_STREQ(e.what(), "[linear] w has shape [3, 5], expected [n, 7]");
  }
}

}  // namespace
}  // namespace adder
