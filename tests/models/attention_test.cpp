// A cache of bfloat16 numbers (Pass::bf16_cache): rounded before anything is made of them.
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "framework/config/config.h"
#include "framework/inference/generate.h"
#include "tests/data/files.h"
#include "tests/models/model_support.h"
#include "tests/support/check.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 13, kLength = 90;

std::unique_ptr<Model> some_model(const std::string& model, DType dtype = DType::f32, int64_t layers = 2) {
  const std::string text = R"({"model": {"n_layers": )" + std::to_string(layers) + R"(, "d_model": 24, )" + model + "}}";
  auto made = make_model(parse_config(text, "test", {}, model_registry(), Use::stored).model, kVocabulary, dtype);
  shake(*made, 0.1);
  return made;
}

const std::vector<std::string> kModels = {
    R"("architecture": "attention", "n_heads": 3, "head_dim": 16)",
    R"("architecture": "attention", "n_heads": 4, "n_kv_heads": 2, "qk_norm": true, "window": 9)",
    R"("architecture": "hybrid", "blocks": [{"architecture": "mamba"}, {"architecture": "attention", "n_heads": 2}])"};

Tensor logits(Model& model, const Tensor& ids, State& state, const Tensor& resets = {}, bool bf16_cache = true) {
  Pass pass{.bf16_cache = bf16_cache};
  const Tensor y = model.forward(pass, {ids, resets}, state).value();
  state = state.detach();
  return y;
}

std::set<DType> dtypes_of(const State& state) {
  std::set<DType> all;
  for (const MixerState& block : state.blocks)
    for (const Var& x : block) all.insert(x.dtype());
  return all;
}

// Pieces of a text and single tokens have the bits of the whole. Where a document begins, or a window moves on, the cache drops
// what is out of sight and blocks of keys begin elsewhere, as in float32: in the second layer a last bit may then round to the
// other neighbour.
TEST(Bf16Cache, HoweverATextIsCutItIsTheSame) {
  for (const std::string& text : {kModels[0], kModels[1]})
    for (const int i : {0, 1, 2, 3}) {
      const bool documents = i % 2, deep = i / 2, moves = documents || text.find("window") != std::string::npos;
      const auto model = some_model(text, DType::f32, deep ? 2 : 1);
      const Tensor ids = index_input({2, kLength}, 3, kVocabulary);
      const Tensor resets = documents ? resets_at(2, kLength, {0, 33, kLength + 20, kLength + 81}) : Tensor();
      State all, cut;
      const Tensor want = logits(*model, ids, all, resets), got = Tensor::like(want);
      for (int64_t t = 0, n = 40; t < kLength; t += n, n = t < 60 ? 3 : 1)
        got.narrow(1, t, n).copy_from(logits(*model, row_of(ids, t, n), cut, documents ? row_of(resets, t, n) : Tensor()));
      if (moves) EXPECT_LT(nmax(got, want), deep ? 1e-2 : 1e-6) << text << (documents ? ", documents" : "");
      else EXPECT_EQ(bits(got), bits(want)) << text;
      EXPECT_TRUE(dtypes_of(cut).contains(DType::bf16));
      EXPECT_FALSE(dtypes_of(cut).contains(DType::f32)) << text;
    }
}

// Half of the bytes, at an error that roundings of 2^-9 explain.
TEST(Bf16Cache, IsCloseToFloat32InHalfOfTheBytes) {
  for (const std::string& text : kModels) {
    const auto model = some_model(text);
    const Tensor ids = index_input({1, kLength}, 4, kVocabulary);
    State halves, whole;
    const Tensor rounded = logits(*model, ids, halves), exact = logits(*model, ids, whole, {}, false);
    EXPECT_LT(nmax(rounded, exact), 2e-2) << text;
    EXPECT_NE(bits(rounded), bits(exact)) << text;
    for (size_t b = 0; b < whole.blocks.size(); ++b)
      for (size_t i = 0; i < whole.blocks[b].size(); ++i) {
        const Tensor &x = halves.blocks[b][i].value(), &y = whole.blocks[b][i].value();
        EXPECT_EQ(x.shape(), y.shape());
        const bool key = whole.blocks[b].size() == 3 && i < 2;  // k, v, count
        EXPECT_EQ(x.dtype(), key ? DType::bf16 : y.dtype()) << text;
      }
  }
}

TEST(Bf16Cache, WhatIsGeneratedIsWhatTheWholeTextGives) {
  for (const std::string& text : kModels) {
    const auto model = some_model(text);
    const std::vector<std::vector<int32_t>> prompts = {{4}, {1, 7, 0, 12, 5, 5, 3}, {2, 9}};
    std::vector<std::vector<int32_t>> together(prompts.size());
    generate_batch(*model, prompts, 25, SamplingOptions{.temperature = 0.8, .seed = 5}, [&](int64_t row, int32_t token) {
      together[size_t(row)].push_back(token);
      return row != 1 || together[1].size() < 7;
    }, true);
    for (size_t r = 0; r < prompts.size(); ++r) {
      std::vector<int32_t> alone, whole = prompts[r];
      generate(*model, prompts[r], r == 1 ? 7 : 25, {.temperature = 0.8, .seed = 5}, [&](int32_t token) {
        alone.push_back(token);
        return true;
      }, true);
      for (size_t i = 0; i < alone.size(); ++i) {
        State state;
        const int64_t length = int64_t(whole.size());
        const Tensor y = logits(*model, Tensor::from<int32_t>({1, length}, whole), state);
        whole.push_back(sample(y.narrow(1, length - 1, 1), {.temperature = 0.8, .seed = 5}, i));
      }
      EXPECT_EQ(alone, together[r]) << text;
      EXPECT_EQ(alone, std::vector<int32_t>(whole.begin() + int64_t(prompts[r].size()), whole.end())) << text;
    }
  }
}

TEST(Bf16Cache, AModelWithoutOneIsAsBefore) {
  for (const std::string& text : kModels) EXPECT_TRUE(some_model(text)->has_cache()) << text;
  const auto model = some_model(R"("architecture": "gru")");
  EXPECT_FALSE(model->has_cache());
  const Tensor ids = index_input({1, 9}, 4, kVocabulary);
  State with, without;
  EXPECT_EQ(bits(logits(*model, ids, with)), bits(logits(*model, ids, without, {}, false)));
}

TEST(Bf16Cache, IsRefusedWhereItCannotBe) {
  const auto model = some_model(kModels[0]);
  const Tensor ids = index_input({1, 5}, 4, kVocabulary);
  State state;
  logits(*model, ids, state, {}, false);
  EXPECT_EQ(message_of([&] { logits(*model, ids, state); }),
            "[attention] the state's keys are float32, this pass makes bfloat16; expected all passes over a text to agree on "
            "Pass::bf16_cache");
  Tape tape;
  Pass pass{.tape = &tape, .bf16_cache = true};
  State fresh;
  EXPECT_HAS(message_of([&] { model->forward(pass, {ids, {}}, fresh); }), "[to_bfloat16] x is recorded");
  const auto doubles = some_model(kModels[0], DType::f64);
  State other;
  EXPECT_HAS(message_of([&] { logits(*doubles, ids, other); }), "[to_bfloat16] x has dtype float64");
}

}  // namespace
}  // namespace adder
