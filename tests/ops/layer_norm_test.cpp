#include "framework/ops/layer_norm.h"

#include "kernels/layer_norm/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

OpCase layer_norm_case(int64_t rows, int64_t n, double scale, bool bias = true) {
  return {.op =
              [](const std::vector<Var>& in) {
                return std::vector<Var>{ops::layer_norm(in[0], in[1], in[2], 1e-5)};
              },
          .ref = reference([](const auto& in) { return kernels::ref::layer_norm(in, 1e-5); }),
          .inputs = {normal_input({rows, n}, 1, scale), uniform_input({n}, 2, 0.5, 1.5),
                     bias ? normal_input({n}, 3) : Tensor()}};
}

TEST(LayerNorm, MatchesItsDefinition) {
  for (auto [rows, n] : {std::pair<int64_t, int64_t>{3, 5}, {2, 16}, {35, 33}})
    for (double scale : {1.0, 1e-3})
      for (bool bias : {true, false}) expect_op("layer_norm", layer_norm_case(rows, n, scale, bias));
}

TEST(LayerNorm, SameBitsOnThreadsAndTargets) { expect_bits("layer_norm", layer_norm_case(1000, 77, 1)); }

TEST(LayerNorm, KeepsItsDigitsFarFromZero) {
  // mean(x^2) - mean^2 would leave nothing of a variance of 1 at 4096.
  const Tensor x = Tensor::empty({1, 8});
  for (int i = 0; i < 8; ++i) x.data<float>()[i] = float(4096 + (i % 2 ? 1 : -1));
  const Var y = ops::layer_norm(x, Tensor::full({8}, 1));
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(y.value().item(i), i % 2 ? 1 : -1, 1e-5);
}

TEST(LayerNorm, RefusesABiasOfAnotherSize) {
  try {
    ops::layer_norm(Var(Tensor::zeros({2, 7, 5})), Var(Tensor::zeros({5})), Var(Tensor::zeros({4})));
    FAIL() << "no error";
  } catch (const std::exception& e) {
    EXPECT_STREQ(e.what(), "[layer_norm] b has shape [4], expected [5]");
  }
}

}  // namespace
}  // namespace adder
