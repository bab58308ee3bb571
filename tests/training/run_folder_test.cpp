#include "framework/training/run_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "framework/core/error.h"
#include "framework/training/checkpoint.h"

namespace adder {
namespace {

namespace fs = std::filesystem;

RunFolder fresh_run(const std::string& name) {
  const std::string folder = testing::TempDir() + "run_folder_test_" + name;
  fs::remove_all(folder);
  const RunFolder run(folder);
  run.create();
  return run;
}

Checkpoint at_step(int64_t step) {
  Checkpoint c;
  c.model = {{"w", Tensor::full({3}, double(step))}};
  c.step = step;
  return c;
}

void save(const RunFolder& run, int64_t step) { write_checkpoint(run.checkpoint_path(step), at_step(step)); }

void damage(const std::string& path) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(700);
  const char byte = char(file.get() ^ 1);
  file.seekp(700);
  file.put(byte);
}

std::vector<int64_t> steps(const RunFolder& run) {
  std::vector<int64_t> list;
  for (const CheckpointFile& file : run.checkpoints()) list.push_back(file.step);
  return list;
}

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

testing::AssertionResult has(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << text << "\" lacks \"" << part << "\"";
}

void write_text(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

TEST(RunFolder, NamesAndListing) {
  const RunFolder run = fresh_run("names");
  EXPECT_FALSE(run.holds_run());
  EXPECT_TRUE(run.checkpoint_path(250).ends_with("/checkpoints/step-00000250.h5"));
  EXPECT_TRUE(run.checkpoint_path(1234567890).ends_with("step-1234567890.h5"));
  for (const int64_t step : {300, 1234567890, 20}) save(run, step);
  for (const char* other : {"step-7.h5", "step-0000000x.h5", "step-00000007.h5.99.adder-tmp", "other.h5"})
    write_text(run.checkpoint_folder() + "/" + other, "x");
  EXPECT_EQ(steps(run), (std::vector<int64_t>{20, 300, 1234567890}));
  EXPECT_TRUE(run.holds_run());
  EXPECT_TRUE(RunFolder(run.path() + "/nowhere").checkpoints().empty());
}

TEST(RunFolder, ConfigIsWrittenWhole) {
  const RunFolder run = fresh_run("config");
  run.write_config("{\"a\":1}\n");
  run.write_config("{}\n");
  EXPECT_EQ(read_text_file(run.config_path()), "{}\n");
  EXPECT_TRUE(run.holds_run());
  const RunFolder nowhere(run.config_path() + "/below");
  EXPECT_TRUE(has(error_of([&] { nowhere.create(); }), "cannot create " + nowhere.checkpoint_folder()));
}

TEST(RunFolder, LatestPassesOverDamagedOnes) {
  const RunFolder run = fresh_run("latest");
  std::vector<std::string> warnings;
  const Warn warn = [&](const std::string& text) { warnings.push_back(text); };
  EXPECT_FALSE(find_latest(run.path(), warn));
  for (const int64_t step : {10, 20, 30}) save(run, step);
  EXPECT_EQ(find_latest(run.path(), warn)->step, 30);
  EXPECT_TRUE(warnings.empty());
  damage(run.checkpoint_path(30));
  fs::resize_file(run.checkpoint_path(20), 900);
  const auto latest = find_latest(run.path(), warn);
  ASSERT_TRUE(latest);
  EXPECT_EQ(latest->step, 10);
  EXPECT_EQ(latest->path, run.checkpoint_path(10));
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_TRUE(has(warnings[0], "step-00000030.h5: is damaged"));
  EXPECT_TRUE(has(warnings[1], "step-00000020.h5: is truncated: found 900"));

  write_checkpoint(run.best_path(), at_step(7));
  damage(run.checkpoint_path(10));
  EXPECT_EQ(find_latest(run.path(), warn)->step, 7);
  damage(run.best_path());
  EXPECT_FALSE(find_latest(run.path(), warn));
  EXPECT_TRUE(has(error_of([&] { resolve_checkpoint(run.path()); }), "all of its checkpoints are damaged"));
}

TEST(RunFolder, PruningKeepsTheNewestCompleteOnesAndTheBest) {
  const RunFolder run = fresh_run("prune");
  for (int64_t step = 1; step <= 6; ++step) save(run, step);
  run.mark_best(2);
  run.prune(0, 6);
  EXPECT_EQ(steps(run).size(), 6u);
  run.prune(4, 6);
  EXPECT_EQ(steps(run), (std::vector<int64_t>{3, 4, 5, 6}));
  EXPECT_EQ(read_checkpoint(run.best_path()).step, 2);
  fs::resize_file(run.checkpoint_path(6), 600);  // does not count
  run.prune(2, 6);
  EXPECT_EQ(steps(run), (std::vector<int64_t>{4, 5, 6}));
  EXPECT_EQ(find_latest(run.path())->step, 5);
}

TEST(RunFolder, PruningLooksOnlyAtWhatIsNotNewer) {
  const RunFolder run = fresh_run("prune_newer");
  for (const int64_t step : {10, 20, 26, 30}) save(run, step);
  damage(run.checkpoint_path(30));  // its block still looks complete
  run.prune(1, 26);
  EXPECT_EQ(steps(run), (std::vector<int64_t>{26, 30}));
  fs::resize_file(run.checkpoint_path(26), 600);
  run.prune(1, 26);
  EXPECT_EQ(steps(run), (std::vector<int64_t>{26, 30}));  // the one just written is never removed
}

TEST(RunFolder, WhatIsNewerIsSetAside) {
  const RunFolder run = fresh_run("aside");
  for (const int64_t step : {10, 20, 30}) save(run, step);
  run.mark_best(20);
  std::vector<std::string> warnings;
  const Warn warn = [&](const std::string& text) { warnings.push_back(text); };
  run.set_aside_after(30, warn);
  run.set_aside_after(20, warn);
  EXPECT_EQ(steps(run), (std::vector<int64_t>{10, 20}));
  EXPECT_TRUE(fs::exists(run.checkpoint_path(30) + ".damaged"));
  EXPECT_TRUE(fs::exists(run.best_path()));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_TRUE(has(warnings[0], "step-00000030.h5 is set aside as step-00000030.h5.damaged"));
  run.set_aside_after(10, warn);
  EXPECT_EQ(steps(run), (std::vector<int64_t>{10}));
  EXPECT_FALSE(fs::exists(run.best_path()));
  EXPECT_TRUE(fs::exists(run.best_path() + ".damaged"));
}

TEST(RunFolder, NothingToResumeFromIsNotAllDamaged) {
  const RunFolder run = fresh_run("resumable");
  EXPECT_FALSE(find_resumable(run.path()));
  save(run, 4);
  EXPECT_EQ(find_resumable(run.path())->step, 4);
  damage(run.checkpoint_path(4));
  EXPECT_THROW(find_resumable(run.path()), UnreadableError);
  const std::string error = error_of([&] { find_resumable(run.path()); });
  EXPECT_TRUE(has(error, "all of its checkpoints are damaged"));
  EXPECT_TRUE(has(error, "from a copy"));
}

TEST(RunFolder, TheBestMovesInOneStepAndOutlivesRewrites) {
  const RunFolder run = fresh_run("best");
  save(run, 1);
  save(run, 2);
  run.mark_best(1);
  run.mark_best(1);  // again: nothing to do, nothing left behind
  EXPECT_EQ(read_checkpoint(run.best_path()).step, 1);
  run.mark_best(2);
  EXPECT_EQ(read_checkpoint(run.best_path()).step, 2);
  write_checkpoint(run.checkpoint_path(2), at_step(99));  // replaces that name, not the best's bytes
  EXPECT_EQ(read_checkpoint(run.best_path()).step, 2);
  EXPECT_TRUE(has(error_of([&] { run.mark_best(5); }), "there is no " + run.checkpoint_path(5)));
  EXPECT_EQ(std::distance(fs::directory_iterator(run.checkpoint_folder()), fs::directory_iterator()), 3);
}

TEST(RunFolder, ResolveSaysWhatItLookedFor) {
  const RunFolder run = fresh_run("resolve");
  EXPECT_TRUE(has(error_of([&] { resolve_checkpoint(run.path() + "/none"); }), "no such file or folder"));
  EXPECT_TRUE(has(error_of([&] { resolve_checkpoint(run.path()); }),
                  "holds no checkpoint; looked for " + run.checkpoint_folder() + "/step-*.h5 and best.h5"));
  write_text(run.path() + "/model.safetensors", "");
  EXPECT_TRUE(has(error_of([&] { resolve_checkpoint(run.path()); }), "adder import"));
  save(run, 4);
  save(run, 5);
  EXPECT_EQ(resolve_checkpoint(run.path()), run.checkpoint_path(5));
  EXPECT_EQ(resolve_checkpoint(run.checkpoint_path(4)), run.checkpoint_path(4));
  EXPECT_TRUE(has(error_of([&] { resolve_checkpoint(run.path(), true); }), "holds no best checkpoint"));
  run.mark_best(4);
  EXPECT_EQ(resolve_checkpoint(run.path(), true), run.best_path());
  EXPECT_THROW(resolve_checkpoint(run.checkpoint_path(4), true), UsageError);
  damage(run.best_path());
  EXPECT_THROW(resolve_checkpoint(run.path(), true), UnreadableError);
}

TEST(RunFolder, MetricsAreCutBackToAStep) {
  const RunFolder run = fresh_run("metrics");
  EXPECT_EQ(run.cut_metrics(3), 0);
  std::vector<std::string> warnings;
  const Warn warn = [&](const std::string& text) { warnings.push_back(text); };
  const std::string kept =
      "{\"run\":\"x\"}\n{\"step\":1,\"train/loss\":\"nan\"}\n{\"step\":2}\n{\"step\":2,\"eval/loss\":1}\n";
  write_text(run.metrics_path(), kept + "{\"step\":3}\n{\"step\":4,\"trai");
  EXPECT_EQ(run.cut_metrics(2, warn), 2);
  EXPECT_EQ(read_text_file(run.metrics_path()), kept);
  EXPECT_TRUE(warnings.empty());
  EXPECT_EQ(run.cut_metrics(2), 0);

  write_text(run.metrics_path(), "{\"step\":1}\ngarbage\n{\"step\":2}");
  EXPECT_EQ(run.cut_metrics(5, warn), 1);
  EXPECT_EQ(read_text_file(run.metrics_path()), "{\"step\":1}\n{\"step\":2}\n");
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_TRUE(has(warnings[0], "metrics.jsonl: line 2"));
}

TEST(RunLock, OneWriterAtATime) {
  const RunFolder run = fresh_run("lock");
  {
    const RunLock first(run);
    const std::string error = error_of([&] { const RunLock second(run); });
    EXPECT_TRUE(has(error, "(pid " + std::to_string(getpid()) + ")"));
    EXPECT_TRUE(has(error, run.path()));
  }
  const RunLock again(run);
}

TEST(RunLock, AKilledHolderLeavesNoLockAndItsLeftoversGo) {
  const RunFolder run = fresh_run("killed");
  const pid_t pid = fork();
  if (pid == 0) {
    const RunLock lock(run);
    const DurableFile checkpoint(run.checkpoint_path(1)), config(run.config_path());
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto count = [](const std::string& folder) {
    return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
  };
  EXPECT_EQ(count(run.checkpoint_folder()), 1);
  const RunLock lock(run);
  EXPECT_EQ(count(run.checkpoint_folder()), 0);
  EXPECT_EQ(count(run.path()), 2);  // checkpoints, lock
}

}  // namespace
}  // namespace adder
