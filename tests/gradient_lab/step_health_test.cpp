// What a watched step tells, and that watching changes nothing.
#include "framework/gradient_lab/step_health.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "framework/gradient_lab/gradient_noise.h"
#include "framework/training/clip.h"
#include "framework/core/error.h"
#include "framework/training/trainer.h"
#include "models/registry.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 17;

std::string model_config(const std::string& model, const std::string& more = "") {
  return R"({"name": "t", "data": {"train": "unused.txt"}, "optimizer": {"learning_rate": 0.01},
             "training": {"steps": 5, "batch_size": 3, "context_length": 12)" + more + R"(}, "model": {)" + model + "}}";
}

// Tokens of which each follows from the one before, most of the time.
TokenSpan some_tokens() {
  std::vector<int32_t> ids;
  const Random random(5, "test text");
  for (uint64_t i = 0; i < 500; ++i) ids.push_back(int32_t(random.below(i, 4) ? i % 7 : random.below(i + 9000, kVocabulary)));
  return TokenSpan::from(ids);
}

struct Watched {
  Config config;
  RandomWindows batches;
  Trainer trainer;
  lab::StepHealth health;
  std::map<std::string, double> told;  // of the last step
  std::map<std::string, Histogram> histograms;
  double grad_norm = 0;

  Watched(const std::string& json, int64_t every)
      : config(parse_config(json, "test", {}, model_registry())),
        batches(some_tokens(), {config.training.batch_size, config.training.context_length, config.training.accumulate}, 1),
        trainer(config, model_registry().make(config.model, kVocabulary, 1, config.dtype()), batches),
        health(config, every) {
    trainer.watch(&health);
    for (int64_t i = 0; i < config.training.steps; ++i) {
      const StepReport report = trainer.step();
      told = {report.health.begin(), report.health.end()}, histograms = {report.histograms.begin(), report.histograms.end()}, grad_norm = report.grad_norm;
    }
  }
  double operator[](const std::string& name) const { return told.at("health/" + name); }
};

void expect_same(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_EQ(std::memcmp(a[i].value.raw(), b[i].value.raw(), size_t(a[i].value.size()) * bytes_of(a[i].value.dtype())), 0) << a[i].name;
}

const char* const kModels[] = {
    R"("architecture": "rnn", "d_model": 8, "n_layers": 1, "norm": "none", "residual": false)",
    R"("architecture": "lstm", "d_model": 10, "n_layers": 2)",
    R"("architecture": "gru", "d_model": 9, "n_layers": 1, "output": "glu")",
    R"("architecture": "min_gru", "d_model": 9, "n_layers": 2, "mlp": "gelu")",
    R"("architecture": "min_lstm", "d_model": 9, "n_layers": 1, "mlp": "relu")",
    R"("architecture": "mamba", "d_model": 8, "n_layers": 2, "d_state": 3, "dropout": 0.1)",
    R"("architecture": "mamba2", "d_model": 8, "n_layers": 1, "d_state": 4)",
    R"("architecture": "lru", "d_model": 8, "n_layers": 1)",
    R"("architecture": "attention", "d_model": 8, "n_layers": 2, "n_heads": 2, "n_kv_heads": 1, "mlp": "swiglu")"};

TEST(StepHealth, ARunWatchedAndUnwatchedEndsInTheSameBits) {
  for (const char* model : kModels)
    for (const std::string more : {R"(, "accumulate": 2)", R"(, "recompute": true)"}) {
      const Watched none(model_config(model, more), 0), all(model_config(model, more), 1);
      EXPECT_TRUE(none.told.empty());
      EXPECT_FALSE(all.told.empty());
      const Checkpoint a = none.trainer.snapshot(), b = all.trainer.snapshot();
      expect_same(a.model, b.model);
      for (size_t slot = 0; slot < a.optimizer.size(); ++slot) expect_same(a.optimizer[slot].second, b.optimizer[slot].second);
      expect_same(a.history, b.history);
    }
}

TEST(StepHealth, TellsOfEveryArchitecturesOwn) {
  const auto has = [](const Watched& run, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      ASSERT_TRUE(run.told.contains("health/" + name)) << name;
      EXPECT_TRUE(std::isfinite(run[name])) << name;
    }
  };
  const auto run = [](int i) { return Watched(model_config(kModels[i]), 5); };
  has(run(0), {"saturated/blocks.0.mixer", "rms/blocks.0", "log_z", "update/blocks.0.mixer.weight_hh"});
  has(run(1), {"closed/blocks.1.mixer.forget", "open/blocks.1.mixer.input", "rms/blocks.1.mixer", "kurtosis/blocks.0", "stream_growth"});
  has(run(2), {"closed/blocks.0.mixer.update", "open/blocks.0.output.gate"});
  has(run(3), {"closed/blocks.1.mixer.update", "dead/blocks.0.mlp", "rms/blocks.1.mlp"});
  has(run(4), {"open/blocks.0.mixer.forget", "dead/blocks.0.mlp"});
  has(run(5), {"time_step/blocks.1.mixer.median", "time_constant/blocks.0.mixer.high"});
  has(run(6), {"time_step/blocks.0.mixer.low", "time_constant/blocks.0.mixer.median"});
  has(run(7), {"gradient/blocks.0", "gradient/blocks.0.mixer", "spike"});
  has(run(8), {"attention_logit/blocks.0.mixer", "attention_entropy/blocks.1.mixer", "dead/blocks.0.mlp", "logit",
               "below_eps/blocks.0.mlp.down.weight"});
}

TEST(StepHealth, ItsNormsAreThoseOfTheStep) {
  const Watched run(model_config(kModels[1]), 1);
  double squares = 0;
  for (const auto& [name, value] : run.told)
    if (name.starts_with("health/grad_norm/")) squares += value * value;
  EXPECT_NEAR(std::sqrt(squares), run.grad_norm, 1e-9 * run.grad_norm);
  EXPECT_EQ(run["clip_scale"] < 1 ? 1 : 0, run["clip_fraction"] > 0 ? 1 : 0);
  // Adam's first updates are the rate in every element: 0.01 over a weight's own root mean square.
  const Watched first([] {
    std::string json = model_config(kModels[1]);
    json.replace(json.find("\"steps\": 5"), 10, "\"steps\": 1");
    return json;
  }(), 1);
  EXPECT_NEAR(first["update/embedding.weight"], 0.01 / 0.02, 0.1);
}

TEST(StepHealth, CountsHistograms) {
  const auto run = [](int i) { return Watched(model_config(kModels[i]), 5); };
  const Watched lstm = run(1), mamba = run(5);
  const auto total = [](const Watched& w, const std::string& name) { return w.histograms.at("health/histogram/" + name).total(); };
  EXPECT_EQ(total(lstm, "gradient/embedding"), kVocabulary * 10);
  EXPECT_EQ(total(lstm, "parameter/embedding"), kVocabulary * 10);
  for (const char* gate : {"input", "forget", "output"}) EXPECT_GT(total(lstm, "gate/blocks.1.mixer." + std::string(gate)), 0);
  EXPECT_GT(total(mamba, "time_step/blocks.0.mixer"), 0);
  EXPECT_GT(total(mamba, "time_constant/blocks.1.mixer"), 0);
  // Forget gates above 0.95 are odds above 19; 16 is a bin's edge, so that the bins above 32 hold no more than those.
  const Histogram& forget = lstm.histograms.at("health/histogram/gate/blocks.1.mixer.forget");
  int64_t wide = 0;
  for (int i = 5 - Histogram::kLowest; i < Histogram::kBins; ++i) wide += forget.counts[size_t(i)];
  EXPECT_LE(double(wide), lstm["open/blocks.1.mixer.forget"] * double(forget.total()) + 1e-9);
}

// The micro-batches' own gradients, one pass each.
TEST(StepHealth, NoiseScaleIsThatOfTheMicroBatches) {
  const std::string json = model_config(kModels[1], R"(, "accumulate": 4)");
  std::string once = json;
  once.replace(once.find("\"steps\": 5"), 10, "\"steps\": 1");
  const Watched run(once, 1);
  const Config config = parse_config(once, "test", {}, model_registry());
  const auto model = model_registry().make(config.model, kVocabulary, 1, config.dtype());
  double small = 0;
  for (int micro = 0; micro < 4; ++micro) {
    const Batch batch = run.batches.at(0, micro);
    model->parameters().clear_gradients();
    Tape tape;
    Pass pass{.tape = &tape, .training = true};
    State state;
    tape.backward(mean_loss(model->forward(pass, {batch.ids, batch.resets, batch.features}, state), batch));
    small += std::pow(global_norm(model->parameters()), 2) / 4;
  }
  const double big = std::pow(run.grad_norm, 2);
  const lab::GradientNoise expected = lab::gradient_noise(3, small, 12, big);
  EXPECT_NEAR(run["gradient_square"], expected.square, 1e-5 * big);
  EXPECT_NEAR(run["gradient_noise"], expected.trace, 1e-5 * expected.trace);
  EXPECT_FALSE(Watched(model_config(kModels[1]), 1).told.contains("health/gradient_noise")) << "one batch alone tells nothing of it";
}

// Gradients drawn from a normal distribution of known mean and covariance.
TEST(GradientNoise, OfDrawnGradientsIsKnown) {
  const Random random(3, "gradients");
  constexpr int kRows = 16, kSize = 5, kTrials = 4000;
  const double mean[kSize] = {1, -0.5, 0, 0.25, 2}, deviation[kSize] = {1, 3, 0.5, 2, 0};
  double square = 0, trace = 0;
  lab::GradientNoise sum;
  for (int i = 0; i < kSize; ++i) square += mean[i] * mean[i], trace += deviation[i] * deviation[i];
  for (int t = 0; t < kTrials; ++t) {
    double whole[kSize] = {}, big = 0, small = 0;
    for (int r = 0; r < kRows; ++r)
      for (int i = 0; i < kSize; ++i) {
        const double g = mean[i] + deviation[i] * random.normal(uint64_t((t * kRows + r) * kSize + i));
        whole[i] += g / kRows, small += g * g / kRows;
      }
    for (const double w : whole) big += w * w;
    const lab::GradientNoise noise = lab::gradient_noise(1, small, kRows, big);
    sum.square += noise.square / kTrials, sum.trace += noise.trace / kTrials;
  }
  EXPECT_NEAR(sum.square, square, 0.1);  // its standard error is 0.03
  EXPECT_NEAR(sum.trace, trace, 0.4);    // 0.08
  EXPECT_NEAR(sum.scale(), trace / square, 0.1);
  EXPECT_THROW(lab::gradient_noise(4, 1, 4, 1), Error);
}

TEST(StepHealth, IsTakenAtTheStepsAskedFor) {
  const lab::StepHealth health(parse_config(model_config(kModels[0]), "test", {}, model_registry()), 2);
  EXPECT_TRUE(health.wants(1) && health.wants(2) && !health.wants(3) && health.wants(4) && health.wants(5));
}

}  // namespace
}  // namespace adder
