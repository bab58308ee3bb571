// kill -9, at random moments and at every point inside a checkpoint's writing: the run that is resumed afterwards ends
// in the same /model and /optimizer, to the bit, as one that was left alone.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "framework/core/random.h"
#include "framework/training/checkpoint.h"
#include "framework/training/run_folder.h"
#include "tests/support/process.h"

namespace adder {
namespace {

constexpr int kSteps = 400, kStopSteps = 30;

std::string config_text(const std::string& folder, int steps, int every) {
  const auto n = [](int x) { return std::to_string(x); };
  return R"({"name": "crash", "data": {"train": ")" + folder + R"(/text.txt"},
    "model": {"architecture": "mamba", "d_model": 6, "n_layers": 1, "d_state": 2},
    "schedule": {"warmup_steps": 10, "min_learning_rate": 1e-4},
    "training": {"steps": )" + n(steps) + R"(, "batch_size": 2, "context_length": 16},
    "evaluation": {"every": )" + n(2 * every) + R"(}, "checkpoint": {"every": )" + n(every) + R"(, "keep": 2}, "logging": {"every": 1}})";
}

std::string prepared(const std::string& name, int steps, int every) {
  const std::string folder = fresh_folder(name);
  std::string text;
  for (int i = 0; i < 400; ++i) text += "a line of text, the " + std::to_string(i * i) + "th\n";
  write_text(folder + "/text.txt", text);
  write_text(folder + "/config.json", config_text(folder, steps, every));
  return folder;
}

std::vector<std::string> train_command(const std::string& folder, const std::string& run) {
  return {ADDER_BINARY, "train", folder + "/config.json", "--out", folder + "/" + run, "--resume", "--threads", "1"};
}

void expect_same(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_EQ(0, std::memcmp(a[i].value.raw(), b[i].value.raw(), size_t(a[i].value.size()) * 4)) << a[i].name;
}

void expect_same_end(const std::string& folder, const std::string& run, int steps) {
  const Checkpoint left_alone = read_checkpoint(RunFolder(folder + "/alone").checkpoint_path(steps));
  const Checkpoint resumed = read_checkpoint(RunFolder(folder + "/" + run).checkpoint_path(steps));
  EXPECT_EQ(resumed.tokens, left_alone.tokens);
  EXPECT_EQ(resumed.best_loss, left_alone.best_loss);
  EXPECT_EQ(resumed.best_step, left_alone.best_step);
  expect_same(left_alone.model, resumed.model);
  ASSERT_EQ(left_alone.optimizer.size(), resumed.optimizer.size());
  for (size_t s = 0; s < left_alone.optimizer.size(); ++s)
    expect_same(left_alone.optimizer[s].second, resumed.optimizer[s].second);
}

void leave_alone(const std::string& folder) {
  const Ended e = run_program(train_command(folder, "alone"));
  ASSERT_EQ(e.exit_code, 0) << e.err;
}

TEST(Crash, KilledAtRandomMoments) {
  constexpr int kWanted = 20;
  const std::string folder = prepared("crash-random", kSteps, 10);
  ASSERT_NO_FATAL_FAILURE(leave_alone(folder));
  const Random random(11, "moments of death");
  int kills = 0, starts = 0, runs = 0;
  while (kills < kWanted) {
    ASSERT_LT(starts, 400) << kills << " kills only";
    const std::string run = "run" + std::to_string(runs);
    Process process(train_command(folder, run));
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(uint64_t(starts), 250000)));
    ++starts;
    process.signal(SIGKILL);
    const Ended e = process.wait();
    if (e.signal == SIGKILL) {
      ++kills;
      continue;
    }
    ASSERT_EQ(e.exit_code, 0) << e.err;  // it was faster than the signal
    expect_same_end(folder, run, kSteps);
    ++runs;
  }
  const Ended e = run_program(train_command(folder, "run" + std::to_string(runs)));
  ASSERT_EQ(e.exit_code, 0) << e.err;
  expect_same_end(folder, "run" + std::to_string(runs), kSteps);
  std::printf("kill -9 at random moments: %d kills over %d runs, all ended in the same bits\n", kills, runs + 1);
}

TEST(Crash, KilledInsideTheWritingOfACheckpoint) {
  const std::string folder = prepared("crash-points", kStopSteps, 5);
  ASSERT_NO_FATAL_FAILURE(leave_alone(folder));
  int kills = 0;
  for (const std::string& point : writer_stop_points())
    for (int n = 1; n <= 3; ++n) {
      const std::string run = point + std::to_string(n);
      const Ended killed = Process(train_command(folder, run), {"ADDER_STOP_WRITING=" + point + ":" + std::to_string(n)}).wait();
      ASSERT_EQ(killed.signal, SIGKILL) << point << " " << n << ": " << killed.err;
      ++kills;
      const Ended e = run_program(train_command(folder, run));
      ASSERT_EQ(e.exit_code, 0) << point << " " << n << ": " << e.err;
      expect_same_end(folder, run, kStopSteps);
    }
  EXPECT_GE(kills, 20);
  std::printf("kill -9 at stop points of the writer: %d kills, all ended in the same bits\n", kills);
}

}  // namespace
}  // namespace adder
