#include "framework/inference/generate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "framework/config/config.h"
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

// Weights are read from a packed copy meanwhile, which must not outlive it: the next step of training changes them.
TEST(Generate, WeightsArePackedWhileItLastsAndChangeNothing) {
  const auto packed = [](const ParameterList& parameters) {
    int64_t count = 0;
    for (size_t i = 0; i < parameters.size(); ++i) {
      const auto& panels = parameters[i].value.panels();
      count += panels && panels->data.defined();
    }
    return count;
  };
  const std::vector<int32_t> prompt = {1, 7, 0, 12};
  for (const Architecture& a : model_registry().architectures())
    for (const bool bf16 : {false, true}) {
      if (a.counts) continue;
      const std::string text = R"({"model": {"architecture": ")" + a.name + R"(", "n_layers": 2, "d_model": 24}})";
      ModelConfig config = parse_config(text, a.name, {}, model_registry(), Use::stored).model;
      config.bf16 = bf16;
      const auto model = make_model(config, kVocabulary, DType::f32);
      shake(*model, 0.1);
      const auto before = generated(*model, prompt, 20, {.seed = 6});
      EXPECT_EQ(before, from_scratch(*model, prompt, 20, {.seed = 6})) << a.name << bf16;
      generate(*model, prompt, 3, {}, [&](int32_t) {
        EXPECT_GT(packed(model->parameters()), 2) << a.name << bf16;
        return true;
      });
      EXPECT_EQ(packed(model->parameters()), 0);
      shake(*model, 0.1);
      EXPECT_EQ(generated(*model, prompt, 20, {.seed = 6}), from_scratch(*model, prompt, 20, {.seed = 6})) << a.name << bf16;
    }
}

// ---- several at once -----------------------------------------------------------------------------------

const std::vector<std::vector<int32_t>> kPrompts = {
    {4}, {1, 7, 0, 12, 5, 5, 3}, {2, 9}, {1, 7, 0, 12, 5, 5, 3}, {8, 8, 8}};

// Tokens of each row; a row ends after its number in `most`.
std::vector<std::vector<int32_t>> batched(Model& model, int64_t count,
                                          const std::vector<SamplingOptions>& options,
                                          const std::vector<size_t>& most) {
  std::vector<std::vector<int32_t>> tokens(kPrompts.size());
  generate_batch(model, kPrompts, count, options, [&](int64_t row, int32_t token) {
    tokens[size_t(row)].push_back(token);
    return tokens[size_t(row)].size() < most[size_t(row)];
  });
  return tokens;
}

TEST(GenerateBatch, EachRowIsItsSingleRun) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const auto model = some_model(dtype);
    std::vector<SamplingOptions> options(kPrompts.size(), {.temperature = 0.8, .top_k = 7, .seed = 5});
    options[3].seed = 6, options[4].temperature = 0;
    const std::vector<size_t> most = {20, 3, 1, 20, 12};
    const auto tokens = batched(*model, 20, options, most);
    for (size_t r = 0; r < kPrompts.size(); ++r)
      EXPECT_EQ(tokens[r], generated(*model, kPrompts[r], int64_t(most[r]), options[r])) << "row " << r;
    EXPECT_NE(tokens[1], std::vector<int32_t>(tokens[3].begin(), tokens[3].begin() + 3)) << "another seed";
  }
}

// A model that keeps what it answers: the last position of every row.
struct Listening : Model {
  Model& inner;
  std::vector<std::string> heard;
  std::vector<int64_t> rows;
  explicit Listening(Model& m) : inner(m) {}
  ParameterList& parameters() override { return inner.parameters(); }
  int64_t vocabulary() const override { return inner.vocabulary(); }
  std::vector<std::vector<std::string>> state_names() const override { return inner.state_names(); }
  Var forward(Pass& pass, const Tokens& tokens, State& state, const HiddenSink& hidden) override {
    const Var logits = inner.forward(pass, tokens, state, hidden);
    for (int64_t b = 0; b < logits.dim(0); ++b)
      heard.push_back(bits(logits.value().narrow(0, b, 1).narrow(1, logits.dim(1) - 1, 1)));
    rows.push_back(logits.dim(0));
    return logits;
  }
};

TEST(GenerateBatch, LogitsAreThoseOfSingleRunsToTheBit) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const auto model = some_model(dtype);
    Listening together(*model);
    const int64_t count = 9;
    const std::vector<SamplingOptions> options(kPrompts.size(), {.seed = 11});
    batched(together, count, options, std::vector<size_t>(kPrompts.size(), 99));
    // Four prompts are read (one stands there twice), then all rows step together.
    EXPECT_EQ(together.rows, (std::vector<int64_t>{1, 1, 1, 1, 5, 5, 5, 5, 5, 5, 5, 5}));
    for (size_t r = 0; r < kPrompts.size(); ++r) {
      Listening single(*model);
      generated(single, kPrompts[r], count, options[r]);
      for (size_t i = 1; i < size_t(count); ++i)
        EXPECT_EQ(single.heard[i], together.heard[4 + (i - 1) * 5 + r]) << "row " << r << ", step " << i;
    }
  }
}

TEST(GenerateBatch, RowsThatEndLeaveTheBatch) {
  const auto model = some_model(DType::f32);
  Listening together(*model);
  batched(together, 6, std::vector<SamplingOptions>(kPrompts.size()), {1, 2, 99, 2, 4});
  EXPECT_EQ(together.rows, (std::vector<int64_t>{1, 1, 1, 1, 4, 2, 2, 1, 1}));
}

TEST(GenerateBatch, ErrorsSayWhich) {
  using testing_data::message_of;
  const auto model = some_model(DType::f32);
  const auto on = [](int64_t, int32_t) { return true; };
  EXPECT_HAS(message_of<UsageError>([&] { generate_batch(*model, {}, 1, SamplingOptions(), on); }),
             "no prompts");
  EXPECT_HAS(message_of<UsageError>([&] {
               generate_batch(*model, {{1}, {}}, 1, SamplingOptions(), on);
             }),
             "at least one token");
  EXPECT_HAS(message_of<Error>([&] {
               generate_batch(*model, {{1}, {2, 99}}, 1, SamplingOptions(), on);
             }),
             "token 1 of the prompt is 99");
  const std::vector<SamplingOptions> one(1);
  EXPECT_HAS(message_of<Error>([&] {
               generate_batch(*model, {{1}, {2}}, 1, one, on);
             }),
             "1 sampling options, expected one for each of 2 prompts");
}

// ---- states side by side -------------------------------------------------------------------------------

State state_of(const std::vector<Tensor>& tensors, int32_t position) {
  State state;
  state.blocks.emplace_back(tensors.begin(), tensors.end());
  state.positions = Tensor::from<int32_t>({1}, std::vector<int32_t>{position});
  return state;
}

TEST(States, StackFillsUpWhatGrows) {
  const State a = state_of({Tensor::full({1, 2, 3}, 1), Tensor::full({1, 4}, 5, DType::i32)}, 2);
  const State b = state_of({Tensor::full({1, 4, 3}, 2), Tensor::full({1, 4}, 6, DType::i32)}, 4);
  const State both = State::stack({a, b});
  ASSERT_EQ(both.blocks[0][0].shape(), (Shape{2, 4, 3}));
  EXPECT_EQ(both.blocks[0][1].dtype(), DType::i32);
  EXPECT_EQ(both.positions.item(1), 4);
  const Tensor k = both.blocks[0][0].value();
  EXPECT_EQ(bits(k.narrow(0, 0, 1).narrow(1, 0, 2)), bits(Tensor::full({1, 2, 3}, 1)));
  EXPECT_EQ(bits(k.narrow(0, 0, 1).narrow(1, 2, 2)), bits(Tensor::zeros({1, 2, 3})));
  const State second = both.row(1), turned = both.rows({1, 0});
  EXPECT_EQ(bits(second.blocks[0][0].value()), bits(b.blocks[0][0].value()));
  EXPECT_EQ(second.positions.item(), 4);
  EXPECT_EQ(turned.blocks[0][1].value().item(0), 6);
  EXPECT_EQ(turned.positions.item(1), 2);
}

TEST(States, StackOfFreshStatesIsFresh) {
  const State fresh = State::stack({State(), State()});
  EXPECT_TRUE(fresh.blocks.empty());
  EXPECT_FALSE(fresh.positions.defined());
}

TEST(States, ErrorsNameTheTensor) {
  using testing_data::message_of;
  const auto stacked = [](const State& a, const State& b) {
    return message_of<Error>([&] { State::stack({a, b}); });
  };
  const State a = state_of({Tensor::zeros({1, 2, 3})}, 0);
  EXPECT_HAS(
      stacked(a, state_of({Tensor::zeros({1, 2, 4})}, 0)),
      "tensor 0 of block 0 of row 1 has shape [1, 2, 4], that of row 0 [1, 2, 3]; only axis 1 may differ");
  EXPECT_HAS(stacked(a, state_of({Tensor::zeros({1, 2, 3}, DType::f64)}, 0)),
             "row 1 is float64, that of row 0 float32");
  EXPECT_HAS(stacked(a, state_of({Tensor::zeros({2, 2, 3})}, 0)), "[2, 2, 3], expected one row");
  EXPECT_HAS(stacked(a, state_of({}, 0)), "block 0 of row 1 has 0 tensors, that of row 0 1");
  EXPECT_HAS(stacked(a, State()), "row 1 has 0 blocks, row 0 has 1");
  EXPECT_HAS(message_of<Error>([] { State::stack({}); }), "at least one");
  EXPECT_HAS(message_of<Error>([&] { a.row(1); }), "row 1 is asked for, expected 0 to 0");
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
