// A plan against what then happens: the peak of memory, parameters and tokens.
#include "framework/measure/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "framework/gradient_lab/step_health.h"
#include "framework/measure/random_tokens.h"
#include "framework/training/trainer.h"
#include "kernels/rehearsal.h"
#include "models/registry.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 61;

Config config_of(const std::string& model, const std::vector<std::string>& settings = {}) {
  const std::string text = R"({"data": {"train": "random"}, "model": {"architecture": ")" + model +
                           R"(", "d_model": 24, "n_layers": 3}, "training": {"batch_size": 3, "context_length": 80}})";
  return parse_config(text, "test", settings, model_registry());
}

struct Measured {
  int64_t peak, held;
};

// Three real steps, from an empty cache; into the last one a look as a run takes it, or none.
Measured measured(const Config& config, bool looked_into) {
  arena::trim();
  const int64_t in_use = arena::bytes_in_use(), held = arena::bytes_held();
  const RandomTokens batches(kVocabulary, config.training.batch_size, config.training.context_length);
  Trainer trainer(config, model_registry().make(config.model, kVocabulary, 1, config.dtype()), batches);
  lab::StepHealth health(config, 1);
  arena::reset_peak();
  trainer.step();
  trainer.step();
  if (looked_into) trainer.watch(&health);
  trainer.step();
  return {arena::peak_bytes_in_use() - in_use, arena::bytes_held() - held};
}

void expect_planned(const std::string& name, const Config& config) {
  const MemoryPlan plan = rehearse(config, model_registry(), kVocabulary).memory;
  const Measured step = measured(config, false), run = measured(config, true);
  EXPECT_EQ(plan.step_peak, step.peak) << name;  // 10 % are promised; as long as no op allocates by values, it is exact
  EXPECT_EQ(plan.peak, std::max(step.peak, run.peak)) << name;
  EXPECT_NEAR(double(plan.held), double(run.held), 0.1 * double(run.held)) << name;
  EXPECT_GT(plan.activations, 0) << name;
  EXPECT_GE(plan.step_peak, plan.weights + plan.optimizer + plan.activations) << name;
}

TEST(Plan, PeakMemoryIsWhatATrainingStepOfEachArchitectureNeeds) {
  for (const Architecture& a : model_registry().architectures())
    if (!a.counts) expect_planned(a.name, config_of(a.name));
}

TEST(Plan, PeakMemoryFollowsTheTrainingSettings) {
  expect_planned("long", config_of("mamba", {"training.context_length=333", "training.batch_size=1"}));
  expect_planned("accumulate", config_of("gru", {"training.accumulate=3"}));
  expect_planned("float64", config_of("lstm", {"precision=\"float64\""}));
  expect_planned("muon", config_of("attention", {"optimizer.name=\"muon\""}));
  expect_planned("sgd", config_of("mamba2", {"optimizer.name=\"sgd\""}));
  expect_planned("z_loss", config_of("attention", {"training.z_loss=0.001", "model.dropout=0.1"}));
  expect_planned("deer", config_of("gru", {"model.recurrence=\"deer\""}));
}

TEST(Plan, CountsParametersAndTokens) {
  const Config config = config_of("mamba", {"training.accumulate=2"});
  const Plan plan = rehearse(config, model_registry(), kVocabulary);
  EXPECT_EQ(plan.parameters, model_registry().make(config.model, kVocabulary, 1, DType::f32)->parameters().count());
  EXPECT_EQ(plan.tokens, 2 * 3 * 80);
  int64_t sum = 0;
  for (const auto& [name, count] : plan.modules) sum += count;
  EXPECT_EQ(sum, plan.parameters);
}

TEST(Plan, ArithmeticGrowsAsItShould) {
  const auto flops = [](const std::string& model, int64_t length) {
    return rehearse(config_of(model, {"training.context_length=" + std::to_string(length)}), model_registry(), kVocabulary)
        .step.flops;
  };
  EXPECT_EQ(flops("mamba", 256), 2 * flops("mamba", 128));
  EXPECT_GT(flops("attention", 2048), 2.2 * flops("attention", 1024));  // its square
}

TEST(Plan, LeavesNothingBehind) {
  const int64_t in_use = arena::bytes_in_use(), asked = arena::system_allocations();
  rehearse(config_of("mamba", {"training.context_length=65536", "training.batch_size=4"}), model_registry(), kVocabulary);
  EXPECT_EQ(arena::bytes_in_use(), in_use);
  EXPECT_EQ(arena::system_allocations(), asked);
  EXPECT_FALSE(kernels::rehearsing());
}

TEST(Plan, ATimeIsPredicted) {
  const Config config = config_of("mamba", {"training.context_length=64", "training.steps=100", "training.batch_size=2"});
  Plan plan = rehearse(config, model_registry(), kVocabulary);
  EXPECT_EQ(plan.step.seconds, 0);
  predict_time(plan, config, model_registry(), kVocabulary, {.flops = 1e11, .exps = 1e10, .read = 1e10});
  EXPECT_GT(plan.step.seconds, 0);
  EXPECT_DOUBLE_EQ(plan.run_seconds, 100 * plan.step.seconds);
  EXPECT_EQ(plan.context_length, 64);
}

TEST(Rehearsal, IntegersAreRealAndFloatsAreNot) {
  const Tensor before = Tensor::full({4}, 7);
  {
    const kernels::Rehearsal rehearsal;
    const Tensor ids = Tensor::full({100000}, 3, DType::i32);
    EXPECT_EQ(ids.item(99999), 3);
    const Tensor x = Tensor::full({100000}, 3);
    EXPECT_EQ(x.item(99999), 0);
    EXPECT_GE(arena::bytes_in_use(), 800000);
    EXPECT_THROW(kernels::Rehearsal(), std::logic_error);
  }
  EXPECT_EQ(before.item(3), 7);
}

}  // namespace
}  // namespace adder
