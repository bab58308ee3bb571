#include "framework/inference/excess.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "framework/core/error.h"
#include "framework/data/generated.h"
#include "framework/inference/evaluate.h"
#include "framework/training/trainer.h"
#include "models/ngram.h"
#include "tests/models/model_support.h"

namespace adder {
namespace {

TEST(Excess, IsTheMeanOfDifferences) {
  const Excess e = excess_over(std::vector<double>{1, 2, 3}, std::vector<double>{2, 2, 5});
  EXPECT_DOUBLE_EQ(e.floor, 2);
  EXPECT_DOUBLE_EQ(e.mean, 1);
  EXPECT_DOUBLE_EQ(e.standard_error, std::sqrt(2.0 / 2 / 3));
  EXPECT_TRUE(std::isnan(excess_over(std::vector<double>{1}, std::vector<double>{2}).standard_error));
  EXPECT_THROW(excess_over(std::vector<double>{1, 2}, std::vector<double>{1}), Error);
  EXPECT_THROW(excess_over(std::vector<double>{}, std::vector<double>{}), Error);
}

GeneratedOptions some_source(const char* name) {
  GeneratedOptions o;
  o.name = name, o.symbols = 5, o.order = 2, o.states = 4;
  o.train_tokens = 40000, o.validation_tokens = 4000;
  return o;
}

Excess excess_of(Model& model, const TextSource& source, const TokenSpan& text, const EvaluationOptions& how) {
  std::vector<double> losses;
  EvaluationOptions options = how;
  options.token_losses = &losses;
  const Evaluation e = evaluate(model, text, options, nullptr);
  EXPECT_EQ(e.tokens, int64_t(losses.size()));
  EXPECT_NEAR(e.nats, std::accumulate(losses.begin(), losses.end(), 0.0), 1e-9 * e.nats);
  const std::vector<double> own = source.losses(text);
  return excess_over(std::span(own).subspan(1), losses);
}

// Whatever a model knows, it cannot beat the source beyond chance: not untrained, nor trained a little, nor one that
// has counted the very contexts that matter.
TEST(Excess, NoModelIsBelowItsSource) {
  for (const char* name : {"markov", "hmm"}) {
    const GeneratedOptions o = some_source(name);
    const TextSourcePtr source = make_source(o);
    const TokenDataset data = generate_dataset(*source, o, 32);
    const EvaluationOptions windows{.window = 32, .stride = 16}, carried{.window = 64, .stride = 64, .carry = true};
    for (const int64_t order : {1, 3, 6}) {
      NgramOptions options;
      options.order = order;
      Ngram ngram(options, o.symbols, DType::f32);
      std::vector<int32_t> tokens(size_t(data.train.size()));
      data.train.copy(0, data.train.size(), tokens.data());
      ngram.count(tokens, {}, nullptr);
      for (const EvaluationOptions& how : {windows, carried}) {
        const Excess e = excess_of(ngram, *source, data.validation, how);
        EXPECT_GT(e.mean, -3 * e.standard_error) << name << " order " << order;
        const bool knows_all = order == 3 && how.carry && name == std::string("markov");
        EXPECT_LT(e.mean, knows_all ? 0.01 : 10);
        EXPECT_GT(e.mean, order == 1 ? 10 * e.standard_error : -1) << name;
      }
    }
    Config config;
    config.model = mamba_config();
    config.optimizer.learning_rate = 0.01, config.schedule.name = "constant";
    const RandomWindows batches(data.train, {8, 32}, 1);
    Trainer trainer(config, make_model(config.model, o.symbols, DType::f32), batches);
    const Excess before = excess_of(trainer.model(), *source, data.validation, windows);
    for (int i = 0; i < 60; ++i) trainer.step();
    const Excess after = excess_of(trainer.model(), *source, data.validation, windows);
    EXPECT_DOUBLE_EQ(before.floor, after.floor);
    EXPECT_LT(after.mean, before.mean);
    EXPECT_GT(after.mean, -3 * after.standard_error) << name;
  }
}

}  // namespace
}  // namespace adder
