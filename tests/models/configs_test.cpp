// Every config of the repository: it loads, its model is of the size it says, and it learns for a few steps.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "framework/data/tasks/task_data.h"
#include "framework/training/trainer.h"
#include "tests/models/model_support.h"
#include "tests/models/one_batch.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kVocabulary = 65;

std::string folder() { return std::string(ADDER_SOURCE_DIR) + "/configs/"; }

Config load(const std::string& name, const std::vector<std::string>& overrides = {}) {
  return load_config(folder() + name + ".json", overrides, model_registry());
}

// But for models that count: they have no steps (ngram_test). By name, since every process of the suite lists them.
std::vector<std::string> names(const std::string& below = "") {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(folder() + below)) {
    const std::string name = below + entry.path().stem().string();
    if (entry.path().extension() == ".json" && !name.ends_with("_ngram")) found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  return found;
}

class EveryConfig : public testing::TestWithParam<std::string> {};

TEST_P(EveryConfig, Learns) {
  Config config = load(GetParam(), {"schedule.warmup_steps=0", "schedule.name=constant"});
  EXPECT_EQ(config.name, GetParam());
  config.model.d_model = std::min<int64_t>(config.model.d_model, 24);  // as small as a test may be
  const OneBatch batches(12, kVocabulary);
  Trainer trainer(config, make_model(config.model, kVocabulary, DType::f32), batches);
  const double before = trainer.loss_of(batches.at(0, 0));
  for (int step = 0; step < 4; ++step) trainer.step();
  const double after = trainer.loss_of(batches.at(0, 0));
  EXPECT_TRUE(std::isfinite(after));
  EXPECT_LT(after, before - 0.01);
}

INSTANTIATE_TEST_SUITE_P(Configs, EveryConfig, testing::ValuesIn(names()),
                         [](const auto& info) { return info.param; });

// One change each to a config above; that it learns there is said.
TEST(InterventionConfigs, LoadAndStep) {
  const OneBatch batches(12, kVocabulary);
  for (const std::string& name : names("interventions/")) {
    SCOPED_TRACE(name);
    Config config = load(name, {"schedule.warmup_steps=0"});
    EXPECT_EQ("interventions/" + config.name, name);
    config.model.d_model = std::min<int64_t>(config.model.d_model, 24);
    Trainer trainer(config, make_model(config.model, kVocabulary, DType::f32), batches);
    EXPECT_TRUE(std::isfinite(trainer.step().loss));
  }
}

// A batch of the config's task at every step.
class OneTaskBatch : public BatchSource {
 public:
  explicit OneTaskBatch(const Config& config)
      : batch_(TaskBatches(task_of(config.data.task), {config.training.batch_size, 1, 1}, 1).at(0)) {}
  Batch at(int64_t, int64_t) const override { return batch_; }
  int64_t batch_size() const override { return batch_.labels.dim(0); }
  int64_t length() const override { return batch_.labels.dim(1); }

 private:
  Batch batch_;
};

class EveryTaskConfig : public testing::TestWithParam<std::string> {};

TEST_P(EveryTaskConfig, Learns) {
  Config config = load(GetParam(), {"schedule.warmup_steps=0", "schedule.name=constant", "training.batch_size=2",
                                    "optimizer.learning_rate=0.01"});
  EXPECT_EQ("tasks/" + config.name, GetParam());
  EXPECT_TRUE(config.evaluation.stop_when_solved);
  config.model.d_model = std::min<int64_t>(config.model.d_model, 24);
  const OneTaskBatch batches(config);
  Trainer trainer(config, make_model(config.model, task_of(config.data.task).vocabulary(), DType::f32), batches);
  const double before = trainer.loss_of(batches.at(0, 0));
  for (int step = 0; step < 6; ++step) trainer.step();
  const double after = trainer.loss_of(batches.at(0, 0));
  EXPECT_TRUE(std::isfinite(after));
  EXPECT_LT(after, 0.98 * before);
}

INSTANTIATE_TEST_SUITE_P(Configs, EveryTaskConfig, testing::ValuesIn(names("tasks/")),
                         [](const auto& info) { return info.param.substr(info.param.find('/') + 1); });

// What is compared at one size is of one size.
TEST(ShakespeareConfigs, HaveAboutEightHundredThousandParameters) {
  const bool poison = arena::poison();
  arena::set_poison(false);
  for (const std::string& name : names()) {
    if (!name.starts_with("shakespeare_")) continue;
    const auto model = make_model(load(name).model, kVocabulary, DType::f32);
    EXPECT_NEAR(double(model->parameters().count()), 800e3, 32e3) << name;
  }
  arena::set_poison(poison);
}

// A baseline counts the text that the model reads.
TEST(GeneratedConfigs, ModelAndNgramReadOneText) {
  for (const std::string name : {"markov", "hmm"}) {
    Config model = load(name), counts = load(name + "_ngram");
    EXPECT_TRUE(counts.model.counts);
    EXPECT_EQ(dump(write_fields(model.data)), dump(write_fields(counts.data))) << name;
  }
}

}  // namespace
}  // namespace adder
