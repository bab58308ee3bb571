// Cross entropy, by rows x vocabulary; squared error, by rows.
#include "framework/measure/benches/families.h"
#include "framework/ops/cross_entropy.h"
#include "framework/ops/squared_error.h"
#include "kernels/cross_entropy/ref.h"
#include "kernels/squared_error/ref.h"

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

OpCase squared_error_case(const Sizes& s) {
  constexpr int32_t kIgnored = -100;
  const Tensor targets = normal_input({s[0]}, 5);
  std::vector<double> wanted;
  for (int64_t i = 0; i < s[0]; ++i) wanted.push_back(targets.item(i));
  return {.op = [=](const std::vector<Var>& v) {
            return std::vector<Var>{ops::mean_squared_error(v[0], targets, v[1].value(), kIgnored)};
          },
          .ref = reference([=](const auto& v) { return kernels::ref::squared_error(v, wanted, kIgnored); }),
          .inputs = {normal_input({s[0], 1}, 1), index_input({s[0]}, 2, 3)}};
}

}  // namespace

std::vector<KernelBench> loss_benches() {
  return benches_of({
      {"cross_entropy", cross_entropy_case, {5, 33}, {{2048, 65}, {256, 50257}}},
      {"squared_error", squared_error_case, {23}, {{65536}}},
  });
}

}  // namespace adder
