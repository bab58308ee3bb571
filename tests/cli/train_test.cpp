// adder train: what a run leaves, going on with it, and Ctrl-C.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "framework/training/checkpoint.h"
#include "framework/training/run_folder.h"
#include "kernels/simd_target.h"
#include "tests/support/metrics.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

void expect_same(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].name, b[i].name);
    ASSERT_EQ(a[i].value.shape(), b[i].value.shape());
    EXPECT_EQ(std::memcmp(a[i].value.raw(), b[i].value.raw(),
                          size_t(a[i].value.size()) * bytes_of(a[i].value.dtype())),
              0)
        << a[i].name;
  }
}

// /model and /optimizer are the same to the last bit.
void expect_same_end(const Workspace& work, const std::string& one, const std::string& other, int64_t step) {
  const Checkpoint a = read_checkpoint(RunFolder(work.file(one)).checkpoint_path(step));
  const Checkpoint b = read_checkpoint(RunFolder(work.file(other)).checkpoint_path(step));
  expect_same(a.model, b.model);
  ASSERT_EQ(a.optimizer.size(), 2u);
  ASSERT_EQ(b.optimizer.size(), 2u);
  for (size_t slot = 0; slot < a.optimizer.size(); ++slot)
    expect_same(a.optimizer[slot].second, b.optimizer[slot].second);
  EXPECT_EQ(a.tokens, b.tokens);
}

TEST(CliTrain, LeavesARunFolder) {
  Workspace work;
  write_tiny_run(work);
  const Ran ran = work.run({"train", "tiny.json", "--threads", "1"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const char* said : {"mamba", "parameters", "train 2,7", "validation 3", "char, ", "1 thread,",
                           "runs/tiny", "step 3/6  loss ", "evaluation at step 6: ", "nats a token",
                           "validation tokens after the first, windows of 16"})
    EXPECT_TRUE(has(ran.err, said));
  EXPECT_EQ(ran.err.find('\r'), std::string::npos);
  EXPECT_EQ(ran.err.find('\x1b'), std::string::npos);
  for (const char* said : {"6 steps", "validation loss", "runs/tiny",
                           "adder generate runs/tiny --prompt 'In the beginning", "adder eval runs/tiny"})
    EXPECT_TRUE(has(ran.out, said));
  EXPECT_TRUE(work.exists("runs/tiny/config.json"));
  EXPECT_TRUE(work.exists("runs/tiny/checkpoints/step-00000006.h5"));
  EXPECT_TRUE(work.exists("runs/tiny/checkpoints/best.h5"));
  const json config = json::parse(work.read("runs/tiny/config.json"));
  EXPECT_EQ(config["schedule"]["decay_steps"], 6);
  const auto lines = metrics_of(work, "runs/tiny");
  ASSERT_EQ(lines.size(), 7u);
  EXPECT_EQ(lines[0]["step"], 1);
  EXPECT_EQ(lines[0]["tokens"], 32);
  for (const char* key : {"eval/loss", "eval/perplexity", "eval/bits_per_byte"})
    EXPECT_TRUE(lines[6].contains(key)) << key;
  EXPECT_NEAR(double(lines[6]["eval/perplexity"]), std::exp(double(lines[6]["eval/loss"])), 1e-9);
  EXPECT_NEAR(double(lines[6]["eval/bits_per_byte"]), double(lines[6]["eval/loss"]) / std::log(2.0),
              1e-9);  // one byte a character
}

TEST(CliTrain, QuietAndJson) {
  Workspace work;
  write_tiny_run(work);
  const Ran ran = work.run({"train", "tiny.json", "--quiet", "--json", "--set", "evaluation.random_windows=2",
                            "--set", "name=other"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  const json result = json::parse(ran.out);
  EXPECT_EQ(result["run"], "runs/other");
  EXPECT_EQ(result["step"], 6);
  EXPECT_EQ(result["finished"], true);
  EXPECT_EQ(result["checkpoint"], "runs/other/checkpoints/step-00000006.h5");
  const auto lines = metrics_of(work, "runs/other");
  EXPECT_TRUE(lines.back().contains("eval/random_window_loss"));
  EXPECT_NE(lines.back()["eval/random_window_loss"], lines.back()["eval/loss"]);
  EXPECT_EQ(result["eval_loss"], lines.back()["eval/loss"]);
}

TEST(CliTrain, ThreadsAndVectorWidthChangeNothing) {
  Workspace work;
  write_tiny_run(work);
  ASSERT_EQ(work.run({"train", "tiny.json", "--quiet", "--out", "one", "--threads", "1"}).code, 0);
  ASSERT_EQ(work.run({"train", "tiny.json", "--quiet", "--out", "three", "--threads", "3"}).code, 0);
  expect_same_end(work, "one", "three", 6);
  EXPECT_EQ(losses(work, "one"), losses(work, "three"));
  for (const std::string& target : kernels::simd_targets()) {
    if (target == "scalar") continue;
    ASSERT_EQ(work.run({"train", "tiny.json", "--quiet", "--out", target}, {{"ADDER_SIMD", target}}).code, 0);
    expect_same_end(work, "one", target, 6);
  }
}

TEST(CliTrain, ResumeOfAFinishedRun) {
  Workspace work;
  write_tiny_run(work);
  ASSERT_EQ(work.run({"train", "tiny.json", "--quiet"}).code, 0);
  const std::string before = work.read("runs/tiny/metrics.jsonl");
  const Ran again = work.run({"train", "tiny.json", "--resume"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(has(again.err, "finished already, at step 6"));
  EXPECT_EQ(work.read("runs/tiny/metrics.jsonl"), before);
  const Ran longer = work.run({"train", "tiny.json", "--resume", "--set", "training.steps=8"});
  ASSERT_EQ(longer.code, 0) << longer.err;
  EXPECT_TRUE(has(longer.err, "resumed"));
  EXPECT_TRUE(work.exists("runs/tiny/checkpoints/step-00000008.h5"));
  const json config = json::parse(work.read("runs/tiny/config.json"));
  EXPECT_EQ(config["training"]["steps"], 8);
  EXPECT_EQ(config["schedule"]["decay_steps"], 6);  // no rate that was used has changed
}

TEST(CliTrain, ResumeWithoutARunBeginsIt) {
  Workspace work;
  write_tiny_run(work);
  ASSERT_EQ(work.run({"train", "tiny.json", "--quiet", "--resume"}).code, 0);
  EXPECT_EQ(losses(work, "runs/tiny").size(), 6u);
}

// Waits until the run has logged `count` steps; false where it ended before.
bool wait_for_steps(const Workspace& work, const std::string& run, size_t count) {
  for (int i = 0; i < 15000; ++i) {
    const std::string text = work.read(run + "/metrics.jsonl");
    if (size_t(std::count(text.begin(), text.end(), '\n')) >= count) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

class CliSignals : public testing::TestWithParam<std::pair<int, int>> {};

TEST_P(CliSignals, SavesAndResumesToTheSameBits) {
  const auto [number, code] = GetParam();
  Workspace work;
  constexpr int kSteps = 2000;
  write_tiny_run(work, kSteps);
  const std::vector<std::string> settings = {"train", "tiny.json", "--set", "checkpoint.every=700"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = settings;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  ASSERT_EQ(work.run(with({"--out", "whole", "--quiet"})).code, 0);
  const pid_t child = work.start(with({"--out", "parts"}));
  ASSERT_TRUE(wait_for_steps(work, "parts", 5));
  kill(child, number);
  const Ran stopped = work.finish(child);
  ASSERT_EQ(stopped.code, code) << stopped.err;
  EXPECT_TRUE(has(stopped.err, "stopped at step"));
  EXPECT_TRUE(has(stopped.err, "adder train tiny.json --set checkpoint.every=700 --out parts --resume"));
  const auto latest = find_latest(work.file("parts"));
  ASSERT_TRUE(latest.has_value());
  ASSERT_GE(latest->step, 5);
  ASSERT_LT(latest->step, kSteps);
  const Ran resumed = work.run(with({"--out", "parts", "--resume"}));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(has(resumed.err, "resumed"));
  expect_same_end(work, "whole", "parts", kSteps);
  EXPECT_EQ(losses(work, "whole"), losses(work, "parts"));
}

INSTANTIATE_TEST_SUITE_P(Both, CliSignals, testing::Values(std::pair(SIGINT, 130), std::pair(SIGTERM, 143)),
                         [](const auto& info) {
                           return info.param.first == SIGINT ? "Interrupt" : "Terminate";
                         });

TEST(CliTrain, StartsFromTheWeightsOfARun) {
  Workspace work;
  write_tiny_run(work);
  ASSERT_EQ(work.run({"train", "tiny.json", "--quiet", "--out", "first"}).code, 0);
  work.write("second.json", R"({"data": {"train": "text.txt"}, "initialize": {"from": "first"},
    "optimizer": {"learning_rate": 0}, "training": {"steps": 1, "batch_size": 2, "context_length": 16}})");
  const Ran ran = work.run({"train", "second.json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.err, "char, "));  // the tokenizer came with the weights
  const Checkpoint a = read_checkpoint(RunFolder(work.file("first")).checkpoint_path(6));
  const Checkpoint b = read_checkpoint(RunFolder(work.file("runs/second")).checkpoint_path(1));
  expect_same(a.model, b.model);  // a rate of 0 moves nothing
  EXPECT_EQ(a.tokenizer_json, b.tokenizer_json);
  EXPECT_EQ(work.run({"train", "second.json", "--resume"}).code, 0);
}

TEST(CliTrain, ASecondProcessIsKeptOut) {
  Workspace work;
  write_tiny_run(work);
  ASSERT_EQ(work.run({"train", "tiny.json", "--quiet"}).code, 0);
  const RunLock lock(RunFolder(work.file("runs/tiny")));
  const Ran ran = work.run({"train", "tiny.json", "--resume", "--set", "training.steps=9"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_TRUE(has(ran.err, "another process"));
}

TEST(CliTrain, DivergedRunsSaySo) {
  Workspace work;
  write_tiny_run(work);
  const Ran ran =
      work.run({"train", "tiny.json", "--set", "optimizer.name=sgd", "--set", "optimizer.learning_rate=1e30",
                "--set", "training.clip_norm=0", "--set", "schedule.name=constant"});
  EXPECT_EQ(ran.code, 4) << ran.err;
  EXPECT_TRUE(has(ran.err, "adder: step "));
}

}  // namespace
}  // namespace adder
