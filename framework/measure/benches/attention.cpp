// Causal attention by batch x heads x length x head_dim, and of one token after as many keys.
#include <memory>

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

// A query after all keys but its own.
struct Decode {
  ops::AttentionHeads heads;
  Tensor q, past;
  std::vector<Tensor> k, v;  // of so many layers

  Decode(const Sizes& s, bool bf16, int64_t layers)
      : heads{s[1], s[1]}, q(normal_input({s[0], 1, s[1] * s[3]}, 1).to(DType::f32)),
        past(Tensor::full({s[0]}, double(s[2] - 1), DType::i32)) {
    const DType dtype = bf16 ? DType::bf16 : DType::f32;
    const auto kept = [&](uint64_t seed) { return normal_input({s[0], s[2], s[1] * s[3]}, seed).to(DType::f32).to(dtype); };
    for (int64_t i = 0; i < layers; ++i) k.push_back(i ? k[0].clone() : kept(2)), v.push_back(i ? v[0].clone() : kept(3));
  }
  Tensor operator()(size_t layer) const { return ops::attention(q, k[layer], v[layer], heads, past).value(); }
};

// The last row of what all queries together give.
CheckReport check_decode(bool bf16) {
  const Sizes s = {2, 3, 90, 32};
  const Decode one(s, bf16, 1);
  const Tensor q = Tensor::zeros(one.k[0].shape()), k = one.k[0].to(DType::f32), v = one.v[0].to(DType::f32);
  q.narrow(1, s[2] - 1, 1).copy_from(one.q);
  const Tensor all = ops::attention(q, k, v, one.heads).value().narrow(1, s[2] - 1, 1), y = one(0);
  for (int64_t i = 0; i < y.size(); ++i)
    if (y.item(i) != all.item(i))
      return {"a query alone has " + std::to_string(y.item(i)) + ", among all " + std::to_string(all.item(i)), false};
  return {"a query alone has the bits that it has among all", true};
}

Timed timed_decode(const Sizes& s, bool bf16) {
  constexpr int64_t kBeyondCaches = 256 << 20;  // bytes of all layers together
  const double pairs = double(s[0] * s[1] * s[2]), bytes = 2 * pairs * double(s[3]) * (bf16 ? 2 : 4);
  const auto decode = std::make_shared<const Decode>(s, bf16, int64_t(kBeyondCaches / bytes) + 1);
  const auto layer = std::make_shared<size_t>(0);
  return {[decode, layer] { (*decode)((*layer)++ % decode->k.size()); },
          {.flops = 4 * pairs * double(s[3]), .bytes = bytes, .exps = pairs}};
}

}  // namespace

std::vector<KernelBench> attention_benches() {
  std::vector<KernelBench> benches = op_benches({"attention", attention_case, {2, 2, 7, 5}, {{8, 6, 256, 64}, {1, 4, 4096, 64}}});
  for (const bool bf16 : {false, true}) {
    const Sizes s = {1, 6, 4096, 64};
    benches.push_back({std::string("attention/decode") + (bf16 ? "-bf16 " : " ") + shown(s),
                       [bf16] { return check_decode(bf16); }, [s, bf16] { return timed_decode(s, bf16); }});
  }
  return benches;
}

}  // namespace adder
