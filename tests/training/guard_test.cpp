// What a run does at steps that explode: stop, skip, rollback; the dump that each of them leaves; and going on exactly.
#include <gtest/gtest.h>

#include <cstring>

#include "framework/training/checkpoint.h"
#include "framework/training/loss_history.h"
#include "tests/support/metrics.h"

namespace adder {
namespace {

using namespace testing_cli;

// A bound that some steps of the tiny run break: the gradient's norm falls from about 1.5 while it learns.
const std::vector<std::string> kBound = {"--set", "guard.grad_norm=0.5", "--set", "checkpoint.every=3", "--set",
                                         "logging.every=1", "--set", "guard.most=100", "--quiet"};

Ran train(const Workspace& work, const std::string& out, std::vector<std::string> more, const Environment& environment = {}) {
  std::vector<std::string> command = {"train", "tiny.json", "--out", out};
  command.insert(command.end(), kBound.begin(), kBound.end());
  command.insert(command.end(), more.begin(), more.end());
  return work.run(command, environment);
}

bool same(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].value.shape() != b[i].value.shape() ||
        std::memcmp(a[i].value.raw(), b[i].value.raw(), size_t(a[i].value.size()) * bytes_of(a[i].value.dtype())) != 0)
      return false;
  return true;
}

void expect_same_end(const Workspace& work, const std::string& one, const std::string& other) {
  const std::string last = "/checkpoints/step-00000012.h5";
  const Checkpoint a = read_checkpoint(work.file(one + last)), b = read_checkpoint(work.file(other + last));
  EXPECT_TRUE(same(a.model, b.model));
  EXPECT_TRUE(same(a.optimizer[0].second, b.optimizer[0].second));
  EXPECT_TRUE(same(a.history, b.history));
}

TEST(LossHistory, ASpikeStandsAboveTheLastLosses) {
  LossHistory history;
  for (int i = 0; i < 15; ++i) history.add(2 + 0.1 * (i % 3), false);
  EXPECT_EQ(history.spike(100), 0) << "too few to judge by";
  for (int i = 15; i < 300; ++i) history.add(2 + 0.1 * (i % 3), i % 4 == 0);
  EXPECT_NEAR(history.spike(2.1 + 10 * 0.14826), 10, 1e-9) << "median 2.1, median distance 0.1";
  EXPECT_LT(history.spike(1), 0);
  EXPECT_EQ(history.clip_fraction(), 0.25);
  LossHistory again;
  again.restore(history.stored());
  EXPECT_EQ(again.spike(3), history.spike(3));
  EXPECT_EQ(again.stored()[0].value.size(), 128);
}

TEST(Guard, StopLeavesADumpThatProbeExplains) {
  const Workspace work;
  write_tiny_run(work);
  const Ran ran = train(work, "run", {});
  EXPECT_EQ(ran.code, 4) << ran.err;
  for (const char* said : {"step 1: ", "larger than guard.grad_norm, 0.5", " % of its square", "adder probe run/dumps/step-00000001.h5"})
    EXPECT_TRUE(has(ran.err, said));
  const Checkpoint dump = read_checkpoint(work.file("run/dumps/step-00000001.h5"));
  EXPECT_EQ(dump.step, 0);
  ASSERT_EQ(dump.batch.size(), 2u);
  EXPECT_EQ(dump.batch[0].name, "ids");
  const Ran probe = work.run({"probe", "run/dumps/step-00000001.h5", "--probes", "2"});
  EXPECT_EQ(probe.code, 0) << probe.err;
  EXPECT_TRUE(has(probe.err, "the guard stopped this step: step 1: "));
  EXPECT_TRUE(has(probe.out, "2 stretches of 16 tokens: the batch of the step that the guard stopped"));
}

TEST(Guard, SkipAndRollbackGoOnExactly) {
  for (const std::string action : {"skip", "rollback"}) {
    const Workspace work;
    write_tiny_run(work, 12);
    const std::vector<std::string> guard = {"--set", "guard.action=" + action, "--set", "guard.learning_rate_factor=0.9"};
    const Ran whole = train(work, "whole", guard);
    ASSERT_EQ(whole.code, 0) << whole.err;
    EXPECT_TRUE(has(whole.err, action == "skip" ? "its update is left out" : "back to the weights of step 0"));
    int acted = 0;
    for (const auto& line : metrics_of(work, "whole")) acted += line.contains("guard/acted");
    EXPECT_GT(acted, 0);
    // Killed while it writes its second checkpoint, then stopped by hand-made interruption points of another cadence.
    EXPECT_EQ(train(work, "killed", guard, {{"ADDER_STOP_WRITING", "half:3"}}).code, 128 + 9);
    std::vector<std::string> resumed = guard;
    resumed.push_back("--resume");
    EXPECT_EQ(train(work, "killed", resumed).code, 0);
    expect_same_end(work, "whole", "killed");
  }
}

TEST(Guard, ItGivesUpInTheEnd) {
  const Workspace work;
  write_tiny_run(work, 12);
  const Ran ran = train(work, "run", {"--set", "guard.action=skip", "--set", "guard.most=2", "--set", "guard.grad_norm=1e-3"});
  EXPECT_EQ(ran.code, 4) << ran.err;
  EXPECT_TRUE(has(ran.err, "The guard has acted 2 times before"));
  EXPECT_TRUE(work.exists("run/dumps/step-00000003.h5"));
}

TEST(Guard, AnUpdateThatBreaksTheWeightsIsTakenBack) {
  const Workspace work;
  write_tiny_run(work, 12);
  const std::vector<std::string> rate = {"--set", "guard.grad_norm=0", "--set", "optimizer.learning_rate=1e38", "--set", "guard.most=3"};
  std::vector<std::string> skip = rate, back = rate;
  skip.insert(skip.end(), {"--set", "guard.action=skip"});
  const Ran skipped = train(work, "skip", skip);
  EXPECT_EQ(skipped.code, 4);
  EXPECT_TRUE(has(skipped.err, "guard.action \"skip\" does not help"));
  EXPECT_TRUE(has(skipped.err, "is not finite itself"));
  const Ran probe = work.run({"probe", "skip/dumps/step-00000002.h5"});
  EXPECT_EQ(probe.code, 0) << probe.err;
  EXPECT_TRUE(has(probe.err, "the first value that is not finite came from op "));
  back.insert(back.end(), {"--set", "guard.action=rollback", "--set", "guard.learning_rate_factor=1e-40"});
  const Ran cured = train(work, "back", back);
  EXPECT_EQ(cured.code, 0) << cured.err;
  EXPECT_TRUE(has(cured.err, "weights of step 0"));
}

TEST(Guard, RefusesWhatItDoesNotKnow) {
  const Workspace work;
  write_tiny_run(work);
  EXPECT_EQ(train(work, "run", {"--set", "guard.action=hope"}).code, 2);
  EXPECT_FALSE(work.exists("run"));
}

}  // namespace
}  // namespace adder
