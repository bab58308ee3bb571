// Norms, by rows x columns.
#include "framework/measure/benches/families.h"
#include "framework/ops/layer_norm.h"
#include "framework/ops/rms_norm.h"
#include "framework/ops/rms_norm_gated.h"
#include "kernels/layer_norm/ref.h"
#include "kernels/rms_norm/ref.h"
#include "kernels/rms_norm_gated/ref.h"

namespace adder {
namespace {

OpCase rms_norm_case(const Sizes& s) {
  return {.op = [](const std::vector<Var>& v) { return std::vector<Var>{ops::rms_norm(v[0], v[1], 1e-5)}; },
          .ref = reference([](const auto& v) { return kernels::ref::rms_norm(v, 1e-5); }),
          .inputs = {normal_input({s[0], s[1]}, 1), uniform_input({s[1]}, 2, 0.5, 1.5)}};
}

OpCase layer_norm_case(const Sizes& s) {
  return {.op = [](const std::vector<Var>& v) { return std::vector<Var>{ops::layer_norm(v[0], v[1], v[2], 1e-5)}; },
          .ref = reference([](const auto& v) { return kernels::ref::layer_norm(v, 1e-5); }),
          .inputs = {normal_input({s[0], s[1]}, 1), uniform_input({s[1]}, 2, 0.5, 1.5), normal_input({s[1]}, 3)}};
}

OpCase rms_norm_gated_case(const Sizes& s) {
  return {.op = [](const std::vector<Var>& v) { return std::vector<Var>{ops::rms_norm_gated(v[0], v[1], v[2], 1, 1e-5)}; },
          .ref = reference([](const auto& v) { return kernels::ref::rms_norm_gated(v, 1, 1e-5, false); }),
          .inputs = {normal_input({s[0], s[1]}, 1), normal_input({s[0], s[1]}, 2), uniform_input({s[1]}, 3, 0.5, 1.5)}};
}

}  // namespace

std::vector<KernelBench> norm_benches() {
  const std::vector<Sizes> sizes = {{2048, 384}, {2048, 768}};
  return benches_of({
      {"rms_norm", rms_norm_case, {5, 33}, sizes},
      {"layer_norm", layer_norm_case, {5, 33}, sizes},
      {"rms_norm_gated", rms_norm_gated_case, {5, 33}, {{2048, 768}}},
  });
}

}  // namespace adder
