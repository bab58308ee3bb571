// Cross entropy, by rows x vocabulary.
#include "framework/measure/benches/families.h"
#include "framework/ops/cross_entropy.h"
#include "kernels/cross_entropy/ref.h"

namespace adder {
namespace {

OpCase cross_entropy_case(const Sizes& s) {
  constexpr int32_t kIgnored = -100;
  return {.op = [](const std::vector<Var>& v) { return std::vector<Var>{ops::cross_entropy(v[0], v[1].value(), kIgnored)}; },
          .ref = reference([](const auto& v) {
            auto both = kernels::ref::cross_entropy(v, kIgnored);
            both.resize(1);
            return both;
          }),
          .inputs = {normal_input({s[0], s[1]}, 1), index_input({s[0]}, 2, int32_t(s[1]))}};
}

}  // namespace

std::vector<KernelBench> loss_benches() {
  return op_benches({"cross_entropy", cross_entropy_case, {5, 33}, {{2048, 65}, {256, 50257}}});
}

}  // namespace adder
