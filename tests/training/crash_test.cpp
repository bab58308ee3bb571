// kill -9, at random moments and at every point inside a checkpoint's writing: the run that is resumed afterwards ends
// in the same /model and /optimizer, to the bit, as one that was left alone.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "framework/core/random.h"
#include "framework/training/checkpoint.h"
#include "framework/training/run_folder.h"
#include "tests/support/command_line.h"

namespace adder {
namespace {

using testing_cli::Ran;
using testing_cli::Workspace;

constexpr int kSteps = 400, kStopSteps = 30;

std::string config_text(int steps, int every) {
  const auto n = [](int x) { return std::to_string(x); };
  return R"({"name": "crash", "data": {"train": "text.txt"},
    "model": {"architecture": "mamba", "d_model": 6, "n_layers": 1, "d_state": 2},
    "schedule": {"warmup_steps": 10, "min_learning_rate": 1e-4},
    "training": {"steps": )" + n(steps) + R"(, "batch_size": 2, "context_length": 16},
    "evaluation": {"every": )" + n(2 * every) + R"(}, "checkpoint": {"every": )" + n(every) +
         R"(, "keep": 2}, "logging": {"every": 1}})";
}

void prepare(const Workspace& work, int steps, int every) {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "a line of text, the " + std::to_string(i * i) + "th\n";
  work.write("text.txt", text);
  work.write("config.json", config_text(steps, every));
}

std::vector<std::string> train(const std::string& run, const std::string& threads = "1") {
  return {"train", "config.json", "--out", run, "--resume", "--threads", threads};
}

constexpr int kKilled = 128 + SIGKILL;

void expect_same(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_EQ(0, std::memcmp(a[i].value.raw(), b[i].value.raw(), size_t(a[i].value.size()) * 4)) << a[i].name;
}

// metrics.jsonl but for how long it took.
std::vector<std::string> metrics(const Workspace& work, const std::string& run) {
  std::vector<std::string> lines;
  std::istringstream text(work.read(run + "/metrics.jsonl"));
  for (std::string line; std::getline(text, line);) {
    const auto object = nlohmann::json::parse(line);
    std::string kept;
    for (const auto& [key, value] : object.items())
      if (key.find("seconds") == std::string::npos) kept += key + "=" + value.dump() + " ";
    lines.push_back(kept);
  }
  return lines;
}

int64_t newest_step(const Workspace& work, const std::string& run) {
  const auto files = RunFolder(work.file(run)).checkpoints();
  return files.empty() ? -1 : files.back().step;
}

void expect_same_end(const Workspace& work, const std::string& run, int steps) {
  const Checkpoint left_alone = read_checkpoint(RunFolder(work.file("alone")).checkpoint_path(steps));
  const Checkpoint resumed = read_checkpoint(RunFolder(work.file(run)).checkpoint_path(steps));
  EXPECT_EQ(resumed.tokens, left_alone.tokens);
  EXPECT_EQ(resumed.best_loss, left_alone.best_loss);
  EXPECT_EQ(resumed.best_step, left_alone.best_step);
  expect_same(left_alone.model, resumed.model);
  ASSERT_EQ(left_alone.optimizer.size(), resumed.optimizer.size());
  for (size_t s = 0; s < left_alone.optimizer.size(); ++s)
    expect_same(left_alone.optimizer[s].second, resumed.optimizer[s].second);
  const auto lines = metrics(work, "alone");
  EXPECT_GT(lines.size(), size_t(steps));  // a line a step, and the evaluations
  EXPECT_EQ(metrics(work, run), lines);
}

void expect_finishes(const Workspace& work, const std::string& run, int steps, const std::string& threads) {
  const Ran ran = work.run(train(run, threads));
  ASSERT_EQ(ran.code, 0) << run << ": " << ran.err;
  expect_same_end(work, run, steps);
}

TEST(Crash, KilledAtRandomMoments) {
  constexpr int kWanted = 20, kWhileTraining = 8;
  const Workspace work;
  prepare(work, kSteps, 10);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(work.run(train("alone")).code, 0);
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  const Random random(11, "moments of death");
  int kills = 0, starts = 0, runs = 0, while_training = 0;
  while (kills < kWanted) {
    ASSERT_LT(starts, 400) << kills << " kills only";
    const std::string run = "run" + std::to_string(runs);
    const int64_t before = newest_step(work, run);
    const pid_t child = work.start(train(run));
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(uint64_t(starts), uint64_t(whole.count()))));
    ++starts;
    kill(child, SIGKILL);
    const Ran ran = work.finish(child);
    if (ran.code == kKilled) {
      ++kills;
      while_training += newest_step(work, run) > before;
      continue;
    }
    ASSERT_EQ(ran.code, 0) << ran.err;  // it was faster than the signal
    expect_same_end(work, run, kSteps);
    ++runs;
  }
  expect_finishes(work, "run" + std::to_string(runs), kSteps, "1");
  EXPECT_GE(while_training, kWhileTraining) << "kills after which a newer checkpoint was there, of " << kills;
  std::printf("note: kill -9 at random moments: %d kills (%d after new checkpoints) over %d runs, all ended in the same bits\n", kills,
              while_training, runs + 1);
}

TEST(Crash, KilledInsideTheWritingOfACheckpoint) {
  const Workspace work;
  prepare(work, kStopSteps, 5);
  ASSERT_EQ(work.run(train("alone")).code, 0);
  int kills = 0;
  for (const std::string& point : writer_stop_points())
    for (int n = 1; n <= 3; ++n) {
      const std::string run = point + std::to_string(n);
      const Ran killed = work.run(train(run, "2"), {{"ADDER_STOP_WRITING", point + ":" + std::to_string(n)}});
      ASSERT_EQ(killed.code, kKilled) << run << ": " << killed.err;
      ++kills;
      expect_finishes(work, run, kStopSteps, "2");
    }
  EXPECT_GE(kills, 20);
  std::printf("note: kill -9 at stop points of the writer: %d kills, all ended in the same bits\n", kills);
}

}  // namespace
}  // namespace adder
