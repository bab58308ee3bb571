// Measures whose answers are known: chains of dependent steps, and what a wrong learning rate costs.
#include "framework/studies/measures/measure.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "framework/config/tree.h"
#include "models/registry.h"
#include "tests/studies/measure_support.h"
#include "tests/support/check.h"

namespace adder::studies {
namespace {

Values chain_of(const std::string& model) {
  const Config config = read_config(parse_json(R"({"data": {"train": "x"}, "model": )" + model + "}", "test"), "test", model_registry());
  return measure("chain", R"({"lengths": [64, 1024]})")->of_model({config, 11, model_registry()});
}

std::string small(const std::string& architecture, const std::string& more = "") {
  return R"({"architecture": ")" + architecture + R"(", "d_model": 8, "n_layers": 2)" + more + "}";
}

TEST(Chain, ARecurrenceWaitsForEveryToken) {
  for (const char* architecture : {"rnn", "lstm", "gru"}) {
    const Values fused = chain_of(small(architecture));
    EXPECT_EQ(value_of(fused, "steps@1024") - value_of(fused, "steps@64"), 2 * 2 * (1024 - 64)) << architecture << ": two layers, there and back";
    EXPECT_GT(value_of(fused, "exponent"), 0.8) << architecture;
  }
  // Step by step on the tape, where no op says how long it is inside: longer still, and as linear.
  const Values naive = chain_of(small("rnn", R"(, "fused": false)"));
  EXPECT_GE(value_of(naive, "steps@1024") - value_of(naive, "steps@64"), 2 * 2 * (1024 - 64));
  EXPECT_GT(value_of(naive, "exponent"), 0.9);
}

TEST(Chain, AScanIsLogarithmicAndAttentionWaitsForNoToken) {
  for (const char* architecture : {"mamba", "mamba2", "s4d", "lru", "linear_ssm", "min_gru", "min_lstm"}) {
    const Values scan = chain_of(small(architecture, std::string(architecture) == "mamba2" ? R"(, "head_dim": 4)" : ""));
    const double growth = value_of(scan, "steps@1024") - value_of(scan, "steps@64");
    EXPECT_GE(growth, 2 * 2 * 4) << architecture << ": log2 of 16 times the length, two layers, there and back";
    EXPECT_LE(growth, 2 * 2 * 2 * 4) << architecture;
    EXPECT_LT(value_of(scan, "exponent"), 0.3) << architecture;
  }
  EXPECT_EQ(value_of(chain_of(small("attention", R"(, "n_heads": 2)")), "exponent"), 0);
  // Newton's iterations on scans: more than one scan, fewer than the steps.
  const Values deer = chain_of(small("gru", R"(, "recurrence": "deer")"));
  EXPECT_LT(value_of(deer, "steps@1024"), value_of(chain_of(small("gru")), "steps@1024") / 2);
  EXPECT_GT(value_of(deer, "steps@1024"), value_of(chain_of(small("min_gru")), "steps@1024"));
}

// A mixer that nobody thought of here would be counted as if no token waited: name it above, and its op in chain.cpp.
TEST(Chain, EveryArchitectureIsThoughtOf) {
  std::vector<std::string> names;
  for (const auto& architecture : model_registry().architectures()) names.push_back(architecture.name);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"attention", "gru", "linear_ssm", "lru", "lstm", "mamba", "mamba2", "min_gru", "min_lstm", "ngram", "rnn", "s4d"}));
}

// S of Wortsman et al.: losses 2, 1.5, 3, and one that diverged; no loss counts above the 4 before training.
TEST(Sensitivity, IsTheMeanExcessOverTheBest) {
  const auto s = measure("sensitivity", "{}");
  const Values v = s->of_trials({{1e-3, 2, 4}, {1e-2, 1.5, 4}, {1e-1, 5, 4}, {1, NAN, 4}});
  EXPECT_DOUBLE_EQ(value_of(v, "deviation"), (0.5 + 0 + 2.5 + 2.5) / 4);
  EXPECT_DOUBLE_EQ(value_of(v, "best"), 1.5);
  EXPECT_EQ(value_of(s->of_trials({{1, 2, 4}, {2, 2, 4}}), "deviation"), 0);
}

TEST(Target, TheFirstEvaluationThatIsLowEnough) {
  const auto target = measure("target", R"({"loss": 2})");
  Config config;
  config.training.batch_size = 4, config.training.context_length = 8, config.training.accumulate = 2, config.training.steps = 30;
  const auto result = [](const std::string& curve) { return parse_json(R"({"curve": )" + curve + "}", "result"); };
  const JsonValue there = result("[[10, 2.5], [20, 1.9], [30, 2.1]]"), never = result("[[10, 2.5], [20, 2.4], [30, 2.1]]"), diverged = parse_json(R"({"failed": "x"})", "result");
  EXPECT_EQ(value_of(target->of_run({there, config, 100}), "tokens"), 20 * 4 * 8 * 2);
  EXPECT_EQ(value_of(target->of_run({there, config, 100}), "flops"), 20 * 4 * 8 * 2 * 100);
  EXPECT_EQ(value_of(target->of_run({there, config, 100}), "reached"), 1);
  EXPECT_TRUE(target->censored({there, config, 100}).empty());
  EXPECT_EQ(value_of(target->of_run({never, config, 100}), "reached"), 0);
  EXPECT_EQ(value_of(target->censored({never, config, 100}), "steps"), 30);
  EXPECT_EQ(value_of(target->of_run({diverged, config, 100}), "reached"), 0);
  EXPECT_TRUE(target->censored({diverged, config, 100}).empty()) << "how long it would have taken nobody knows";
}

TEST(Target, RefusesWhatCannotBeMeasured) {
  Config config;
  const auto refused = [&](const std::string& options) { return message_of([&] { measure("target", options)->check(config, "here"); }); };
  EXPECT_EQ(refused(R"({"loss": 2})"), "no error");
  EXPECT_NE(refused("{}").find("target.loss is missing"), std::string::npos);
  config.evaluation.every = 0;
  EXPECT_NE(refused(R"({"loss": 2})").find("evaluation.every is 0"), std::string::npos);
  config.evaluation.every = 10, config.data.validation_fraction = 0;
  EXPECT_NE(refused(R"({"loss": 2})").find("no validation split"), std::string::npos);
}

}  // namespace
}  // namespace adder::studies
