// Causal attention by batch x heads x length x head_dim.
#include "framework/measure/benches/families.h"
#include "framework/ops/attention.h"
#include "kernels/attention/ref.h"

namespace adder {
namespace {

OpCase attention_case(const Sizes& s) {
  const Shape rows = {s[0], s[2], s[1] * s[3]};
  const ops::AttentionHeads heads{s[1], s[1]};
  return {.op = [heads](const std::vector<Var>& v) { return std::vector<Var>{ops::attention(v[0], v[1], v[2], heads)}; },
          .ref = reference([heads](const auto& v) {
            auto in = v;
            in.resize(5);
            return kernels::ref::attention(in, heads.heads, heads.kv_heads);
          }),
          .inputs = {normal_input(rows, 1), normal_input(rows, 2), normal_input(rows, 3)}};
}

}  // namespace

std::vector<KernelBench> attention_benches() {
  return op_benches({"attention", attention_case, {2, 2, 7, 5}, {{8, 6, 256, 64}, {1, 4, 4096, 64}}});
}

}  // namespace adder
