// train() and resume() in a run folder: falling back from damaged checkpoints, the best one, weights that diverged.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <map>

#include "framework/config/config.h"
#include "framework/core/error.h"
#include "framework/training/trainer.h"
#include "models/registry.h"
#include "tests/support/command_line.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
using testing_cli::flip_byte;
using testing_cli::has;
using testing_cli::Ran;
using testing_cli::Workspace;
using testing_cli::write_tiny_run;

constexpr int64_t kVocabulary = 11;

constexpr char kConfig[] = R"({
  "name": "t", "data": {"train": "unused.txt"},
  "model": {"architecture": "mamba", "d_model": 6, "n_layers": 1, "d_state": 2},
  "optimizer": {"learning_rate": 0.01},
  "schedule": {"name": "cosine", "warmup_steps": 3, "decay_steps": 40, "min_learning_rate": 0.001},
  "training": {"steps": 30, "batch_size": 2, "context_length": 9},
  "evaluation": {"every": 10}, "checkpoint": {"every": 10, "keep": 3}, "logging": {"every": 1}
})";

TokenSpan some_tokens() {
  std::vector<int32_t> ids;
  for (int i = 0; i < 500; ++i) ids.push_back(int32_t(i * i % kVocabulary));
  return TokenSpan::from(ids);
}

// Evaluations come from a list, by step.
struct Listed : TrainingObserver {
  std::map<int64_t, double> losses;
  std::vector<int64_t> evaluated;
  std::optional<EvaluationSummary> evaluate(Trainer& trainer) override {
    const auto found = losses.find(trainer.steps_done());
    if (found == losses.end()) return std::nullopt;
    evaluated.push_back(trainer.steps_done());
    return EvaluationSummary{found->second, {{"eval/loss", found->second}}};
  }
};

struct SmallRun {
  Config config;
  RandomWindows batches;
  Trainer trainer;
  explicit SmallRun(const std::vector<std::string>& settings = {})
      : config(parse_config(kConfig, "test", settings, model_registry())),
        batches(some_tokens(), {config.training.batch_size, config.training.context_length, 1}, 1),
        trainer(config, model_registry().make(config.model, kVocabulary, 1, config.dtype()), batches) {}
  void train_in(const RunFolder& folder, TrainingObserver& observer) {
    train(trainer, folder, {}, observer, [] { return false; });
  }
  void train_in(const RunFolder& folder) {
    TrainingObserver silent;
    train_in(folder, silent);
  }
};

RunFolder fresh_folder() {
  const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
  const RunFolder folder(testing::TempDir() + "resume_test_" + name + "_" + std::to_string(getpid()));
  fs::remove_all(folder.path());
  folder.create();
  return folder;
}

TEST(Resume, AnEvaluationThatWasInterruptedIsMadeUpFor) {
  const RunFolder folder = fresh_folder();
  SmallRun first;
  TrainingObserver gives_up;  // as the command line's does when Ctrl-C comes during the pass
  EXPECT_EQ(train(first.trainer, folder, {}, gives_up, [&] { return first.trainer.steps_done() == 10; }), Outcome::stopped);
  EXPECT_EQ(first.trainer.steps_done(), 10);
  EXPECT_FALSE(folder.has_metric(10, "eval/loss"));

  SmallRun second;
  ASSERT_TRUE(resume(second.trainer, folder, {}, nullptr));
  Listed listed;
  listed.losses = {{10, 1.5}, {20, 2.5}, {30, 2.0}};
  second.train_in(folder, listed);
  EXPECT_EQ(listed.evaluated, (std::vector<int64_t>{10, 20, 30}));
  EXPECT_EQ(second.trainer.best().step, 10);
  EXPECT_EQ(read_checkpoint(folder.best_path()).step, 10);

  SmallRun third({"training.steps=35"});  // what was evaluated is not evaluated again
  ASSERT_TRUE(resume(third.trainer, folder, {}, nullptr));
  Listed again;
  again.losses = {{30, 9.0}, {35, 9.0}};
  third.train_in(folder, again);
  EXPECT_EQ(again.evaluated, (std::vector<int64_t>{35}));
}

TEST(Resume, AnEvaluationThatWasInterruptedAtTheLastStepIsMadeUpFor) {
  const RunFolder folder = fresh_folder();
  SmallRun().train_in(folder);  // the observer gives nothing, as where Ctrl-C came during the pass
  ASSERT_EQ(find_latest(folder.path())->step, 30);
  SmallRun second;
  ASSERT_TRUE(resume(second.trainer, folder, {}, nullptr));
  EXPECT_TRUE(evaluation_is_missing(second.trainer, folder));
  Listed listed;
  listed.losses = {{30, 1.25}};
  second.train_in(folder, listed);
  EXPECT_EQ(listed.evaluated, (std::vector<int64_t>{30}));
  EXPECT_FALSE(evaluation_is_missing(second.trainer, folder));
  const Checkpoint best = read_checkpoint(folder.best_path());
  EXPECT_EQ(best.step, 30);
  EXPECT_EQ(best.best_loss, 1.25);
}

TEST(Resume, TheOnlyGoodCheckpointOutlivesADamagedNewerOne) {
  const RunFolder folder = fresh_folder();
  SmallRun().train_in(folder);
  flip_byte(folder.checkpoint_path(30), 700);
  SmallRun second({"training.steps=26", "checkpoint.keep=1", "checkpoint.every=3"});
  std::vector<std::string> warnings;
  ASSERT_TRUE(resume(second.trainer, folder, {}, [&](const std::string& text) { warnings.push_back(text); }));
  EXPECT_EQ(second.trainer.steps_done(), 20);
  EXPECT_TRUE(fs::exists(folder.checkpoint_path(30) + ".damaged"));
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_TRUE(has(warnings[0], "is damaged"));
  EXPECT_TRUE(has(warnings[1], "set aside"));
  second.train_in(folder);
  const auto latest = find_latest(folder.path());
  ASSERT_TRUE(latest.has_value());
  EXPECT_EQ(latest->step, 26);
  EXPECT_EQ(folder.checkpoints().size(), 1u);
}

TEST(Resume, AllDamagedIsAnErrorThatChangesNothing) {
  const RunFolder folder = fresh_folder();
  SmallRun().train_in(folder);
  for (const CheckpointFile& file : folder.checkpoints()) flip_byte(file.path, 700);
  const std::string metrics = read_text_file(folder.metrics_path());
  ASSERT_FALSE(metrics.empty());
  SmallRun second;
  EXPECT_THROW(resume(second.trainer, folder, {}, nullptr), UnreadableError);
  EXPECT_EQ(read_text_file(folder.metrics_path()), metrics);
  EXPECT_EQ(folder.checkpoints().size(), 3u);
}

TEST(Resume, ABestCheckpointFromBeyondGivesWay) {
  const RunFolder folder = fresh_folder();
  Listed observer;
  observer.losses = {{10, 3.0}, {20, 2.0}, {30, 1.0}};
  SmallRun first;
  first.train_in(folder, observer);
  write_checkpoint(folder.checkpoint_path(30), first.trainer.snapshot());  // best.h5 is a file of its own now
  flip_byte(folder.checkpoint_path(30), 700);
  ASSERT_EQ(read_checkpoint(folder.best_path()).step, 30);
  SmallRun second;
  ASSERT_TRUE(resume(second.trainer, folder, {}, nullptr));
  EXPECT_EQ(second.trainer.steps_done(), 20);
  EXPECT_EQ(second.trainer.best().step, 20);
  EXPECT_EQ(second.trainer.best().loss, 2.0);
  EXPECT_TRUE(fs::exists(folder.best_path() + ".damaged"));
  EXPECT_EQ(read_checkpoint(folder.best_path()).step, 20);
}

TEST(Resume, TheLoopKnowsTheBestLossWithoutReadingFiles) {
  const RunFolder folder = fresh_folder();
  Listed observer;
  observer.losses = {{10, 1.0}, {20, 2.0}, {30, 1.5}};
  SmallRun first({"training.steps=20"});
  first.train_in(folder, observer);
  SmallRun second;
  ASSERT_TRUE(resume(second.trainer, folder, {}, nullptr));
  fs::remove(folder.checkpoint_path(20));
  second.train_in(folder, observer);
  EXPECT_EQ(observer.evaluated, (std::vector<int64_t>{10, 20, 30}));
  const Checkpoint last = read_checkpoint(folder.checkpoint_path(30));
  EXPECT_EQ(last.best_loss, 1.0);
  EXPECT_EQ(last.best_step, 10);
  EXPECT_EQ(read_checkpoint(folder.best_path()).step, 10);
}

TEST(Resume, ABestCheckpointWithoutItsMarkGetsIt) {
  const RunFolder folder = fresh_folder();
  Listed observer;
  observer.losses = {{10, 1.0}, {20, 2.0}};
  SmallRun({"training.steps=20"}).train_in(folder, observer);
  fs::remove(folder.best_path());
  SmallRun second;
  ASSERT_TRUE(resume(second.trainer, folder, {}, nullptr));
  EXPECT_EQ(read_checkpoint(folder.best_path()).step, 10);
}

// The loss of a step is that before its update: the last update's own harm is in the weights alone.
TEST(Divergence, WeightsThatAreNotFiniteAreNotSaved) {
  const RunFolder folder = fresh_folder();
  SmallRun().train_in(folder);
  SmallRun second({"training.steps=31"});
  ASSERT_TRUE(resume(second.trainer, folder, {}, nullptr));
  struct Spoiler : Listed {
    Trainer* trainer;
    void on_step(const StepReport&) override {
      trainer->model().parameters().find("embedding.weight")->value.fill(HUGE_VAL);
    }
  } spoiler;
  spoiler.losses = {{31, 1.0}};
  spoiler.trainer = &second.trainer;
  try {
    second.train_in(folder, spoiler);
    FAIL() << "no error";
  } catch (const DivergedError& e) {
    EXPECT_TRUE(has(e.what(), "step 31: embedding.weight is not finite"));
  }
  EXPECT_TRUE(spoiler.evaluated.empty());
  EXPECT_EQ(find_latest(folder.path())->step, 30);
  EXPECT_FALSE(fs::exists(folder.checkpoint_path(31)));
}

TEST(ResumeCli, DivergenceInTheLastUpdateIsNoSuccess) {
  const Workspace work;
  write_tiny_run(work, 1);
  const Ran ran = work.run({"train", "tiny.json", "--set", "optimizer.learning_rate=1e38"});
  EXPECT_EQ(ran.code, 4) << ran.err;
  EXPECT_TRUE(has(ran.err, "step 1: "));
  EXPECT_TRUE(has(ran.err, "is not finite after the update"));
  EXPECT_FALSE(work.exists("runs/tiny/checkpoints/step-00000001.h5"));
}

TEST(ResumeCli, ALossThatIsNotANumberHasNoSign) {
  const Workspace work;
  write_tiny_run(work, 1);
  // finite weights of that size: the evaluation's logits are not
  const Ran ran = work.run({"train", "tiny.json", "--set", "optimizer.learning_rate=1e37"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, "validation loss nan"));
  EXPECT_EQ((ran.out + ran.err).find("-nan"), std::string::npos) << ran.out << ran.err;
}

TEST(ResumeCli, AllCheckpointsDamaged) {
  const Workspace work;
  write_tiny_run(work);
  ASSERT_EQ(work.run({"train", "tiny.json", "--quiet"}).code, 0);
  const RunFolder folder(work.file("runs/tiny"));
  for (const CheckpointFile& file : folder.checkpoints()) flip_byte(file.path, 700);
  fs::remove(folder.best_path());
  const std::string metrics = work.read("runs/tiny/metrics.jsonl");
  const Ran ran = work.run({"train", "tiny.json", "--resume"});
  EXPECT_EQ(ran.code, 3) << ran.err;
  EXPECT_TRUE(has(ran.err, "all of its checkpoints are damaged"));
  EXPECT_EQ(work.read("runs/tiny/metrics.jsonl"), metrics);
}

TEST(ResumeCli, RefusedChangesNameWhatMayChange) {
  const Workspace work;
  write_tiny_run(work);
  ASSERT_EQ(work.run({"train", "tiny.json", "--quiet"}).code, 0);
  const Ran ran = work.run({"train", "tiny.json", "--resume", "--set", "schedule.decay_steps=99"});
  EXPECT_EQ(ran.code, 2) << ran.err;
  EXPECT_TRUE(has(ran.err, "schedule.decay_steps was 6, now 99"));
  EXPECT_TRUE(has(ran.err, "may change name, training.steps, evaluation, checkpoint and logging only"));
}

}  // namespace
}  // namespace adder
