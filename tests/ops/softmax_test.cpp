#include "framework/ops/softmax.h"

#include <cmath>

#include "kernels/softmax/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

OpCase softmax_case(bool logarithm, int64_t rows, int64_t n, double scale) {
  return {.op = [logarithm](const std::vector<Var>& in) {
            return std::vector<Var>{logarithm ? ops::log_softmax(in[0]) : ops::softmax(in[0])};
          },
          .ref = reference([logarithm](const auto& in) { return kernels::ref::softmax(logarithm, in); }),
          .inputs = {normal_input({rows, n}, 1, scale)}};
}

TEST(Softmax, MatchesItsDefinition) {
  for (bool logarithm : {false, true})
    for (auto [rows, n] : {std::pair<int64_t, int64_t>{1, 2}, {3, 5}, {2, 16}, {5, 33}})
      for (double scale : {0.1, 3.0})
        expect_op(logarithm ? "log_softmax" : "softmax", softmax_case(logarithm, rows, n, scale));
}

TEST(Softmax, SameBitsOnThreadsAndTargets) {
  for (bool logarithm : {false, true}) {
    expect_bits("softmax", softmax_case(logarithm, 1000, 77, 2));
    expect_bits("softmax", softmax_case(logarithm, 3, 20011, 2));
  }
}

TEST(Softmax, LargeInputsAndMaskedOnes) {
  const Tensor x = Tensor::from<float>({1, 4}, std::vector<float>{1e30f, 1e30f, -1e30f, -INFINITY});
  const Tensor y = ops::softmax(x).value(), z = ops::log_softmax(x).value();
  EXPECT_EQ(y.item(0), 0.5);
  EXPECT_EQ(y.item(2), 0);
  EXPECT_EQ(y.item(3), 0);
  EXPECT_FLOAT_EQ(float(z.item(1)), std::log(0.5f));
  EXPECT_EQ(z.item(3), -INFINITY);
}

}  // namespace
}  // namespace adder
