#include "framework/ops/resolvent.h"

#include "kernels/resolvent/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

OpCase resolvent_case(int64_t n) {
  return {.op = [](const std::vector<Var>& in) { return std::vector<Var>{ops::resolvent(in[0])}; },
          .ref = reference([](const auto& in) { return kernels::ref::resolvent(in); }),
          .inputs = {normal_input({n, n}, 1, 0.3 / std::sqrt(double(n)))}};
}

TEST(Resolvent, MatchesItsDefinition) {
  for (const int64_t n : {1, 2, 5, 16, 19}) expect_op("resolvent", resolvent_case(n));
}

TEST(Resolvent, SameBitsOnThreadsAndTargets) { expect_bits("resolvent", resolvent_case(70)); }

TEST(Resolvent, NamesTheArgumentThatDoesNotFit) {
  EXPECT_EQ(message_of([] { ops::resolvent(Tensor::zeros({2, 3})); }),
            "[resolvent] x has shape [2, 3], expected [2, 2]");
}

}  // namespace
}  // namespace adder
