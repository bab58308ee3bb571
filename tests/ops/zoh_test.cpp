#include "framework/ops/zoh.h"

#include <cmath>

#include "kernels/zoh/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

OpCase zoh_case(int64_t channels, int64_t state, bool complex, double low, double high) {
  OpCase c;
  c.op = [complex](const std::vector<Var>& in) {
    const auto r = ops::zoh(in[0], in[1], in[2]);
    if (complex) return std::vector<Var>{r.a_re, r.a_im, r.b_re, r.b_im};
    return std::vector<Var>{r.a_re, r.b_re};
  };
  c.ref = reference([](const auto& in) { return kernels::ref::zoh(in); });
  c.inputs = {uniform_input({channels}, 1, low, high), uniform_input({channels, state}, 2, -3, -0.2),
              complex ? uniform_input({channels, state}, 3, -9, 9) : Tensor()};
  return c;
}

TEST(Zoh, MatchesItsDefinition) {
  for (const bool complex : {false, true})
    for (auto [channels, state] : {std::array<int64_t, 2>{1, 1}, {3, 5}, {17, 2}}) {
      expect_op("zoh", zoh_case(channels, state, complex, 0.02, 0.6));
      expect_op("zoh", zoh_case(channels, state, complex, 1e-4, 1e-2));  // small steps: where a plain e^z - 1 cancels
    }
}

// science.md 0.1: with A = -1 the two add up to 1.
TEST(Zoh, WithADecayOfOneTheWeightsAddUpToOne) {
  const auto r = ops::zoh(uniform_input({9}, 1, 1e-4, 3), Tensor::full({9, 1}, -1, DType::f64));
  for (int64_t i = 0; i < 9; ++i) EXPECT_NEAR(r.a_re.value().item(i) + r.b_re.value().item(i), 1, 1e-15);
}

TEST(Zoh, NamesTheArgumentThatDoesNotFit) {
  EXPECT_EQ(message_of([] { ops::zoh(Tensor::zeros({3}), Tensor::zeros({2, 4})); }),
            "[zoh] dt has shape [3], expected [2]");
}

}  // namespace
}  // namespace adder
