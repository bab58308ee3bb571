// Losses of long stretches: the same whether a model reads them whole or piece by piece, and what the two measures make of them.
#include "framework/studies/measures/window_losses.h"

#include <gtest/gtest.h>

#include "framework/inference/evaluate.h"
#include "tests/models/model_support.h"
#include "tests/studies/measure_support.h"
#include "tests/support/check.h"

namespace adder::studies {
namespace {

constexpr int64_t kVocabulary = 11;
const std::function<bool()> kNever = [] { return false; };

TokenSpan some_tokens(int64_t n) {
  const Tensor ids = index_input({n}, 3, kVocabulary);
  return TokenSpan::from({ids.data<int32_t>(), ids.data<int32_t>() + n}, {}, kVocabulary);
}

std::unique_ptr<Model> mamba() {
  auto model = make_model(mamba_config(), kVocabulary, DType::f64);
  shake(*model);
  return model;
}

// 600 tokens a stretch are three pieces of 256 and a rest; evaluate() reads them whole.
TEST(WindowLosses, PiecesGiveWhatTheWholeGives) {
  const auto model = mamba();
  const TokenSpan tokens = some_tokens(1301);
  const Config config;
  const auto found = window_losses({config, *model, tokens, kNever}, 600, 2);
  std::vector<double> want;
  evaluate(*model, tokens.slice(0, 1201), {.window = 600, .stride = 600, .token_losses = &want}, nullptr);
  ASSERT_EQ(found->size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR((*found)[i], want[i], 1e-10) << i;
  int asked = 0;
  EXPECT_FALSE(window_losses({config, *model, tokens, [&] { return ++asked > 1; }}, 600, 2)) << "stops between two pieces";
}

TEST(WindowLosses, ByPositionAsEvaluateSaysIt) {
  const auto model = mamba();
  const TokenSpan tokens = some_tokens(200);
  const Config config;
  const auto found = measure("positions", R"({"edges": [2, 8, 32]})")->of_trained({config, *model, tokens, kNever});
  const Evaluation all = evaluate(*model, tokens.slice(0, 6 * 32 + 1), {.window = 32, .stride = 32}, nullptr);
  EXPECT_NEAR(value_of(found->values, "loss@2"), mean_of(all.by_position, 0, 2), 1e-12);
  EXPECT_NEAR(value_of(found->values, "loss@8"), mean_of(all.by_position, 2, 6), 1e-12);
  EXPECT_NEAR(value_of(found->values, "loss@32"), mean_of(all.by_position, 8, 24), 1e-12);
  EXPECT_NEAR(value_of(found->values, "gain"), value_of(found->values, "loss@2") - value_of(found->values, "loss@32"), 1e-12);
  EXPECT_EQ(found->windows.at("loss@8").size(), 6u) << "one number a stretch";
}

TEST(WindowLosses, EveryLengthScoresTheSameTokens) {
  const auto model = mamba();
  const TokenSpan tokens = some_tokens(300);
  const Config config;
  const auto found = measure("extrapolation", R"({"lengths": [8, 64]})")->of_trained({config, *model, tokens, kNever});
  const auto loss = [&](int64_t window) { return evaluate(*model, tokens.slice(0, 4 * 64 + 1), {.window = window, .stride = window}, nullptr).loss(); };
  EXPECT_NEAR(value_of(found->values, "loss@8"), loss(8), 1e-12);
  EXPECT_NEAR(value_of(found->values, "loss@64"), loss(64), 1e-12);
  EXPECT_NEAR(value_of(found->values, "rise"), loss(64) - loss(8), 1e-12);
  EXPECT_EQ(found->windows.at("rise").size(), 4u);
  const auto few = measure("extrapolation", R"({"lengths": [8, 64], "tokens": 128})")->of_trained({config, *model, tokens, kNever});
  EXPECT_EQ(few->windows.at("rise").size(), 2u);
}

TEST(WindowLosses, RefusesWhatCannotBeMeasured) {
  Config config;
  const auto refused = [&](const std::string& name, const std::string& options) { return message_of([&] { measure(name, options)->check(config, "here"); }); };
  EXPECT_NE(refused("extrapolation", R"({"lengths": [48, 64]})").find("48 does not divide the longest, 64"), std::string::npos);
  EXPECT_NE(refused("extrapolation", R"({"lengths": [64, 32]})").find("32 follows 64, expected rising values"), std::string::npos);
  EXPECT_NE(refused("positions", R"({"edges": [16, 4096], "tokens": 100})").find("expected at least the last edge, 4096"), std::string::npos);
  EXPECT_EQ(refused("positions", R"({"edges": [16, 4096]})"), "no error");
  config.model.positions = "learned", config.model.max_positions = 64;
  EXPECT_NE(refused("extrapolation", R"({"lengths": [64, 128]})").find("model.max_positions is 64, but extrapolation is measured at length 128"), std::string::npos);
  config.model.positions = "none", config.data.documents = "separate";
  EXPECT_NE(refused("positions", "{}").find("each of them starts anew"), std::string::npos);
}

}  // namespace
}  // namespace adder::studies
