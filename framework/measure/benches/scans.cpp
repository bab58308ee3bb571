// Selective scan by batch x length x channels x state, SSD by batch x length x heads x head_dim x state.
#include <limits>

#include "framework/measure/benches/families.h"
#include "framework/ops/causal_conv1d.h"
#include "framework/ops/selective_scan.h"
#include "framework/ops/ssd.h"
#include "kernels/causal_conv1d/ref.h"
#include "kernels/selective_scan/ref.h"
#include "kernels/ssd/ref.h"

namespace adder {
namespace {

OpCase selective_scan_case(const Sizes& s) {
  const Shape rows = {s[0], s[1], s[2]}, in = {s[0], s[1], s[3]};
  return {.op = [](const std::vector<Var>& v) {
            const auto r = ops::selective_scan({v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], {}}, true);
            return std::vector<Var>{r.y, r.last};
          },
          .ref = reference([](const auto& v) { return kernels::ref::selective_scan(v, true, {}); }),
          .inputs = {normal_input(rows, 1), normal_input(rows, 2), uniform_input({s[2], s[3]}, 3, -2, -0.5), normal_input(in, 4),
                     normal_input(in, 5), normal_input({s[2]}, 6), normal_input(rows, 7), uniform_input({s[2]}, 8, -5, -3),
                     Tensor()}};
}

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

OpCase ssd_case(const Sizes& s) {
  const int64_t heads = s[2];
  return {.op = [](const std::vector<Var>& v) {
            const auto r = ops::ssd({v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], {}});
            return std::vector<Var>{r.y, r.last};
          },
          .ref = reference([](const auto& v) { return kernels::ref::ssd(v, 1, 0, kNoLimit, {}); }),
          .inputs = {normal_input({s[0], s[1], heads * s[3]}, 1), normal_input({s[0], s[1], heads}, 2),
                     uniform_input({heads}, 3, -2, -0.5), normal_input({s[0], s[1], s[4]}, 4), normal_input({s[0], s[1], s[4]}, 5),
                     normal_input({heads}, 6), uniform_input({heads}, 7, -5, -3), Tensor()}};
}

// Mamba's own: four taps, silu; by batch x length x channels.
OpCase conv_case(const Sizes& s) {
  return {.op = [](const std::vector<Var>& v) {
            const auto [y, last] = ops::causal_conv1d(v[0], v[1], v[2], {}, {}, true);
            return std::vector<Var>{y, last};
          },
          .ref = reference([](const auto& v) { return kernels::ref::causal_conv1d(v, true); }),
          .inputs = {normal_input({s[0], s[1], s[2]}, 1), normal_input({s[2], 4}, 2, 0.5), normal_input({s[2]}, 3), Tensor(), Tensor()}};
}

}  // namespace

std::vector<KernelBench> scan_benches() {
  return benches_of({
      {"selective_scan", selective_scan_case, {2, 11, 17, 3}, {{1, 2048, 768, 16}, {4, 512, 256, 16}}},
      {"ssd", ssd_case, {2, 11, 2, 3, 4}, {{8, 256, 4, 64, 64}, {8, 256, 12, 64, 64}}},
      {"causal_conv1d", conv_case, {2, 7, 17}, {{8, 256, 256}}},
  });
}

}  // namespace adder
