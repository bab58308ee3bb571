#include "framework/ops/rms_norm.h"

#include "kernels/rms_norm/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

OpCase rms_norm_case(int64_t rows, int64_t n, double scale) {
  return {.op = [](const std::vector<Var>& in) { return std::vector<Var>{ops::rms_norm(in[0], in[1], 1e-5)}; },
          .ref = reference([](const auto& in) { return kernels::ref::rms_norm(in, 1e-5); }),
          .inputs = {normal_input({rows, n}, 1, scale), uniform_input({n}, 2, 0.5, 1.5)}};
}

TEST(RmsNorm, MatchesItsDefinition) {
  for (auto [rows, n] : {std::pair<int64_t, int64_t>{3, 5}, {2, 16}, {35, 33}})
    for (double scale : {1.0, 1e-3}) expect_op("rms_norm", rms_norm_case(rows, n, scale));
  // One column: y is nearly the sign of x and its gradient a difference of nearly equal terms, unless eps counts.
  expect_op("rms_norm", rms_norm_case(1, 1, 1e-3));
}

TEST(RmsNorm, SameBitsOnThreadsAndTargets) { expect_bits("rms_norm", rms_norm_case(1000, 77, 1)); }

TEST(RmsNorm, RefusesAWeightOfAnotherSize) {
  try {
    ops::rms_norm(Var(Tensor::zeros({2, 7, 5})), Var(Tensor::zeros({4})));
    FAIL() << "no error";
  } catch (const std::exception& e) {
    EXPECT_STREQ(e.what(), "[rms_norm] w has shape [4], expected [5]");
  }
}

}  // namespace
}  // namespace adder
