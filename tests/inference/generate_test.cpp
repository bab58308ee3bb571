#include "framework/inference/generate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "framework/core/error.h"
#include "tests/data/files.h"
#include "tests/models/model_support.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 13;

Tensor row(const std::vector<double>& values) {
  return Tensor::from<double>({1, 1, int64_t(values.size())}, values);
}
Tensor row_with(const std::vector<double>& probabilities) {
  std::vector<double> logits;
  for (const double p : probabilities) logits.push_back(std::log(p) + 3);
  return row(logits);
}

std::vector<int64_t> counts_of(const Tensor& logits, const SamplingOptions& options, int draws) {
  std::vector<int64_t> counts(size_t(logits.size()));
  for (int i = 0; i < draws; ++i) ++counts.at(size_t(sample(logits, options, uint64_t(i))));
  return counts;
}

std::set<int32_t> drawn(const Tensor& logits, const SamplingOptions& options) {
  std::set<int32_t> ids;
  for (int i = 0; i < 2000; ++i) ids.insert(sample(logits, options, uint64_t(i)));
  return ids;
}

// ---- sample --------------------------------------------------------------------------------------------

TEST(Sample, TemperatureZeroIsTheLikeliestAndOfSeveralTheLowest) {
  for (uint64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(sample(row({1, 5, 2, 5, 5}), {.temperature = 0}, i), 1);
    EXPECT_EQ(sample(row({-3, -2, -1}).to(DType::f32), {.temperature = 0}, i), 2);
  }
}

TEST(Sample, TopOneIsTheLikeliestAtAnyTemperature) {
  for (const double temperature : {1e-300, 0.1, 1.0, 1e30})
    for (uint64_t i = 0; i < 50; ++i) {
      EXPECT_EQ(sample(row({1, 2, 2.5, 2.5, 0}), {.temperature = temperature, .top_k = 1}, i), 2);
      EXPECT_EQ(sample(row({1, 2, 2.5, 2.5, 0}), {.temperature = temperature, .top_p = 1e-9}, i), 2);
    }
}

TEST(Sample, TopKKeepsTheLikeliestAndOfEqualOnesTheLowerIds) {
  const Tensor logits = row({0, 1, 0.5, 0.5, 1, 0.5});
  EXPECT_EQ(drawn(logits, {.top_k = 2}), (std::set<int32_t>{1, 4}));
  EXPECT_EQ(drawn(logits, {.top_k = 3}), (std::set<int32_t>{1, 2, 4}));
  EXPECT_EQ(drawn(logits, {.top_k = 4}), (std::set<int32_t>{1, 2, 3, 4}));
  EXPECT_EQ(drawn(logits, {.top_k = 99}), (std::set<int32_t>{0, 1, 2, 3, 4, 5}));
}

TEST(Sample, TopPKeepsTheFewestThatReachIt) {
  const Tensor logits = row_with({0.1, 0.4, 0.2, 0.3});
  EXPECT_EQ(drawn(logits, {.top_p = 0.35}), (std::set<int32_t>{1}));
  EXPECT_EQ(drawn(logits, {.top_p = 0.45}), (std::set<int32_t>{1, 3}));
  EXPECT_EQ(drawn(logits, {.top_p = 0.75}), (std::set<int32_t>{1, 2, 3}));
  EXPECT_EQ(drawn(logits, {.top_p = 0.95}), (std::set<int32_t>{0, 1, 2, 3}));
  EXPECT_EQ(drawn(row({1, 1, 1, 1}), {.top_p = 0.6}), (std::set<int32_t>{0, 1, 2}));
  // Of what top_k has left: 0.4 / 0.7 reaches a half alone.
  EXPECT_EQ(drawn(logits, {.top_k = 2, .top_p = 0.5}), (std::set<int32_t>{1}));
}

TEST(Sample, AFilterThatCutsNothingChangesNoDraw) {
  const Tensor logits = normal_input({1, kVocabulary}, 3, 2);
  for (uint64_t i = 0; i < 500; ++i)
    EXPECT_EQ(sample(logits, {.top_k = kVocabulary, .top_p = 1 - 1e-12}, i), sample(logits, {}, i));
}

// Pearson's chi-square of 20,000 draws, 4 degrees of freedom: above 18.5 once in a thousand seeds.
void expect_distribution(const std::vector<double>& probabilities, const SamplingOptions& options,
                         const Tensor& logits) {
  const int draws = 20000;
  const std::vector<int64_t> counts = counts_of(logits, options, draws);
  double chi = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = probabilities[i] * draws;
    chi += std::pow(double(counts[i]) - expected, 2) / expected;
  }
  EXPECT_LT(chi, 18.5);
}

TEST(Sample, FollowsTheDistribution) {
  const std::vector<double> p = {0.05, 0.3, 0.15, 0.4, 0.1};
  for (const uint64_t seed : {1, 2, 3}) expect_distribution(p, {.seed = seed}, row_with(p));
  for (const double temperature : {0.5, 2.0}) {
    std::vector<double> tempered;
    double sum = 0;
    for (const double x : p) tempered.push_back(std::pow(x, 1 / temperature)), sum += tempered.back();
    for (double& x : tempered) x /= sum;
    expect_distribution(tempered, {.temperature = temperature, .seed = 4}, row_with(p));
  }
}

TEST(Sample, IsAFunctionOfSeedAndIndex) {
  const Tensor logits = row({0, 0, 0, 0, 0, 0, 0, 0});
  int other_seed = 0, other_index = 0;
  for (uint64_t i = 0; i < 200; ++i) {
    const int32_t token = sample(logits, {.seed = 9}, i);
    EXPECT_EQ(sample(logits, {.seed = 9}, i), token);
    other_seed += sample(logits, {.seed = 10}, i) != token;
    other_index += sample(logits, {.seed = 9}, i + 1) != token;
  }
  EXPECT_GT(other_seed, 140);
  EXPECT_GT(other_index, 140);
}

TEST(Sample, MinusInfinityNeverComes) {
  EXPECT_EQ(drawn(row({-INFINITY, 1, -INFINITY, 1}), {}), (std::set<int32_t>{1, 3}));
}

TEST(Sample, ErrorsSayWhatWasFound) {
  using testing_data::message_of;
  const Tensor good = row({1, 2});
  EXPECT_HAS(message_of<DivergedError>([] { sample(row({1, NAN}), {}, 0); }), "token 1 is nan");
  const Tensor infinite = row({INFINITY, 1});
  EXPECT_HAS(message_of<DivergedError>([&] { sample(infinite, {.temperature = 0}, 0); }), "token 0 is inf");
  EXPECT_HAS(message_of<DivergedError>([] { sample(row({-INFINITY, -INFINITY}), {}, 0); }), "minus infinity");
  EXPECT_HAS(message_of<UsageError>([&] { sample(good, {.temperature = -1}, 0); }), "temperature is -1");
  EXPECT_HAS(message_of<UsageError>([&] { sample(good, {.temperature = INFINITY}, 0); }),
             "temperature is inf");
  EXPECT_HAS(message_of<UsageError>([&] { sample(good, {.top_k = -1}, 0); }), "top_k is -1");
  EXPECT_HAS(message_of<UsageError>([&] { sample(good, {.top_p = 0}, 0); }), "top_p is 0");
  EXPECT_HAS(message_of<UsageError>([&] { sample(good, {.top_p = NAN}, 0); }), "top_p is nan");
  EXPECT_HAS(message_of<Error>([] { sample(Tensor::zeros({2, 3}), {}, 0); }), "[2, 3], expected one row");
}

// ---- generate ------------------------------------------------------------------------------------------

std::unique_ptr<Model> some_model(DType dtype) {
  auto model = make_model(mamba_config(), kVocabulary, dtype);
  shake(*model, 0.5);
  return model;
}

std::vector<int32_t> generated(Model& model, const std::vector<int32_t>& prompt, int64_t count,
                               const SamplingOptions& options) {
  std::vector<int32_t> tokens;
  generate(model, prompt, count, options, [&](int32_t token) {
    tokens.push_back(token);
    return true;
  });
  return tokens;
}

// The whole text again for each token, without any state carried.
std::vector<int32_t> from_scratch(Model& model, std::vector<int32_t> text, int64_t count,
                                  const SamplingOptions& options) {
  const size_t prompt = text.size();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t length = int64_t(text.size());
    const Tensor logits = logits_of(model, Tensor::from<int32_t>({1, length}, text));
    text.push_back(sample(logits.narrow(1, length - 1, 1), options, uint64_t(i)));
  }
  return {text.begin() + int64_t(prompt), text.end()};
}

TEST(Generate, GreedyIsTheArgmaxOfTheWholeTextEachTime) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const auto model = some_model(dtype);
    for (const std::vector<int32_t>& prompt : {std::vector<int32_t>{4}, {1, 7, 0, 12, 5, 5, 3}}) {
      const auto tokens = generated(*model, prompt, 40, {.temperature = 0});
      EXPECT_EQ(tokens, from_scratch(*model, prompt, 40, {.temperature = 0}));
      EXPECT_EQ(tokens, generated(*model, prompt, 40, {.top_k = 1}));
      EXPECT_GT(std::set<int32_t>(tokens.begin(), tokens.end()).size(), 1u);
    }
  }
}

TEST(Generate, DrawsTokenIWithIndexI) {
  const auto model = some_model(DType::f32);
  const SamplingOptions options{.temperature = 0.8, .top_k = 7, .top_p = 0.9, .seed = 42};
  const auto tokens = generated(*model, {2, 9}, 30, options);
  EXPECT_EQ(tokens, from_scratch(*model, {2, 9}, 30, options));
  EXPECT_NE(tokens,
            generated(*model, {2, 9}, 30, {.temperature = 0.8, .top_k = 7, .top_p = 0.9, .seed = 43}));
}

TEST(Generate, ALongPromptIsReadInPieces) {
  const auto model = some_model(DType::f32);
  const Tensor ids = index_input({1200}, 8, kVocabulary);
  const std::vector<int32_t> prompt(ids.data<int32_t>(), ids.data<int32_t>() + ids.size());
  EXPECT_EQ(generated(*model, prompt, 5, {.seed = 6}), from_scratch(*model, prompt, 5, {.seed = 6}));
}

TEST(Generate, StopsWhenTold) {
  const auto model = some_model(DType::f32);
  int calls = 0;
  generate(*model, {3}, 100, {}, [&](int32_t) { return ++calls < 4; });
  EXPECT_EQ(calls, 4);
  EXPECT_TRUE(generated(*model, {3}, 0, {}).empty());
}

TEST(Generate, MemoryStaysTheSameAndNoGradientAppears) {
  const auto model = some_model(DType::f32);
  std::vector<int64_t> bytes;
  generate(*model, {3, 4, 5, 6}, 300, {}, [&](int32_t) {
    bytes.push_back(arena::bytes_in_use());
    return true;
  });
  for (size_t i = 2; i < bytes.size(); ++i) ASSERT_EQ(bytes[i], bytes[1]) << "token " << i;
  for (size_t i = 0; i < model->parameters().size(); ++i) EXPECT_FALSE(model->parameters()[i].grad.defined());
}

TEST(Generate, ErrorsNameTheToken) {
  using testing_data::message_of;
  const auto model = some_model(DType::f32);
  const auto on = [](int32_t) { return true; };
  const std::vector<int32_t> outside = {3, 13};
  EXPECT_HAS(message_of<Error>([&] { generate(*model, outside, 1, {}, on); }),
             "token 1 of the prompt is 13, expected 0 to 12");
  EXPECT_HAS(message_of<Error>([&] { generate(*model, {-1}, 1, {}, on); }), "token 0 of the prompt is -1");
  EXPECT_HAS(message_of<Error>([&] { generate(*model, {}, 1, {}, on); }), "at least one token");
  EXPECT_HAS(message_of<UsageError>([&] { generate(*model, {1}, -2, {}, on); }), "-2 tokens");
  EXPECT_HAS(message_of<UsageError>([&] { generate(*model, {1}, 0, {.top_p = 2}, on); }), "top_p is 2");
}

}  // namespace
}  // namespace adder
