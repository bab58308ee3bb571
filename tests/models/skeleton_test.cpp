// What stands around the mixers: the switches of LanguageModel.
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "framework/core/error.h"
#include "tests/models/model_support.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 13;

std::vector<std::string> names_of(const ModelConfig& config) {
  const auto model = make_model(config, kVocabulary, DType::f32);
  std::vector<std::string> names;
  for (size_t i = 0; i < model->parameters().size(); ++i) {
    const Parameter& p = model->parameters()[i];
    if (p.name.find(".mixer.") == std::string::npos) names.push_back(p.name + " " + to_string(p.value.shape()));
  }
  return names;
}

ModelConfig one_block() { return mamba_config({.n_layers = 1}); }

TEST(Skeleton, WithEverythingThatMayStandAroundAMixer) {
  ModelConfig config = one_block();
  config.norm = "layer_norm";
  config.positions = "learned", config.max_positions = 9;
  config.activation = "gelu", config.output = "glu";
  config.mlp = "swiglu", config.mlp_bias = true;
  config.tie_embeddings = false, config.head_bias = true;
  const std::vector<std::string> want = {
      "embedding.weight [13, 5]", "positions.weight [9, 5]", "blocks.0.norm.weight [5]", "blocks.0.norm.bias [5]",
      "blocks.0.output.weight [10, 5]", "blocks.0.output.bias [10]", "blocks.0.mlp_norm.weight [5]",
      "blocks.0.mlp_norm.bias [5]", "blocks.0.mlp.gate.weight [16, 5]", "blocks.0.mlp.gate.bias [16]",
      "blocks.0.mlp.up.weight [16, 5]", "blocks.0.mlp.up.bias [16]", "blocks.0.mlp.down.weight [5, 16]",
      "blocks.0.mlp.down.bias [5]", "norm.weight [5]", "norm.bias [5]", "head.weight [13, 5]", "head.bias [13]"};
  EXPECT_EQ(names_of(config), want);
}

TEST(Skeleton, WithNothing) {
  ModelConfig config = one_block();
  config.norm = "none", config.residual = false;
  EXPECT_EQ(names_of(config), (std::vector<std::string>{"embedding.weight [13, 5]"}));
}

TEST(Skeleton, WithoutBiases) {
  ModelConfig config = one_block();
  config.norm = "layer_norm", config.norm_bias = false;
  config.output = "linear", config.output_bias = false;
  config.mlp = "gelu", config.d_mlp = 3;
  const std::vector<std::string> want = {
      "embedding.weight [13, 5]",     "blocks.0.norm.weight [5]",      "blocks.0.output.weight [5, 5]",
      "blocks.0.mlp_norm.weight [5]", "blocks.0.mlp.up.weight [3, 5]", "blocks.0.mlp.down.weight [5, 3]",
      "norm.weight [5]"};
  EXPECT_EQ(names_of(config), want);
}

// Each kind of block changes the logits: none is passed over.
TEST(Skeleton, EverySwitchMatters) {
  const Tensor ids = index_input({2, 7}, 1, kVocabulary);
  const auto logits = [&](const std::function<void(ModelConfig&)>& change) {
    ModelConfig config = one_block();
    config.mlp = "gelu", config.activation = "gelu", config.output = "linear";
    change(config);
    const auto model = make_model(config, kVocabulary, DType::f64);
    shake(*model);
    return bits(logits_of(*model, ids));
  };
  std::set<std::string> different = {logits([](ModelConfig&) {})};
  const std::vector<std::function<void(ModelConfig&)>> changes = {
      [](ModelConfig& c) { c.norm = "layer_norm"; },
      [](ModelConfig& c) { c.norm = "none"; },
      [](ModelConfig& c) { c.residual = false; },
      [](ModelConfig& c) { c.head_bias = true; },
      [](ModelConfig& c) { c.tie_embeddings = false; },
      [](ModelConfig& c) { c.positions = "learned", c.max_positions = 7; },
      [](ModelConfig& c) { c.output = "none"; },
      [](ModelConfig& c) { c.output = "glu"; },
      [](ModelConfig& c) { c.activation = "gelu_tanh"; },
      [](ModelConfig& c) { c.activation = "relu"; },
      [](ModelConfig& c) { c.activation = "silu"; },
      [](ModelConfig& c) { c.activation = "none"; },
      [](ModelConfig& c) { c.mlp = "none"; },
      [](ModelConfig& c) { c.mlp = "gelu_tanh"; },
      [](ModelConfig& c) { c.mlp = "relu"; },
      [](ModelConfig& c) { c.mlp = "relu_squared"; },
      [](ModelConfig& c) { c.mlp = "silu"; },
      [](ModelConfig& c) { c.mlp = "swiglu"; },
      [](ModelConfig& c) { c.mlp_bias = true; },
  };
  for (const auto& change : changes) different.insert(logits(change));
  EXPECT_EQ(different.size(), changes.size() + 1);
}

ModelConfig with_positions(int64_t count) {
  ModelConfig config = mamba_config();
  config.positions = "learned", config.max_positions = count;
  return config;
}

TEST(Skeleton, PositionsGoOnWithTheStateAndBeginAnewWithADocument) {
  const auto model = make_model(with_positions(9), kVocabulary, DType::f64);
  shake(*model);
  const Tensor ids = index_input({2, 8}, 3, kVocabulary);
  const Tensor whole = logits_of(*model, ids);
  State state;
  logits_of(*model, row_of(ids, 0, 5), state);
  EXPECT_EQ(state.positions.item(1), 5);
  EXPECT_LT(nmax(logits_of(*model, row_of(ids, 5, 3), state), row_of(whole, 5, 3)), 1e-12);

  const Tensor resets = Tensor::zeros({2, 8}, DType::i32);
  resets.data<int32_t>()[3] = resets.data<int32_t>()[8 + 3] = 1;
  EXPECT_EQ(bits(row_of(logits_of(*model, ids, resets), 3, 5)), bits(logits_of(*model, row_of(ids, 3, 5))));
}

TEST(Skeleton, SaysWhereItsPositionsEnd) {
  const auto model = make_model(with_positions(4), kVocabulary, DType::f32);
  EXPECT_FALSE(model->bounded_state());
  EXPECT_TRUE(make_model(mamba_config(), kVocabulary, DType::f32)->bounded_state());
  std::string text;
  try {
    logits_of(*model, index_input({1, 5}, 1, kVocabulary));
  } catch (const UsageError& error) {
    text = error.what();
  }
  EXPECT_NE(text.find("position 4 of its text, but this model knows positions 0 to 3"), std::string::npos) << text;
}

}  // namespace
}  // namespace adder
