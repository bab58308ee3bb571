// The keys of section training, data and optimizer as a person meets them: the real program in a folder.
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "framework/training/checkpoint.h"
#include "tests/support/command_line.h"

namespace adder {
namespace {

using testing_cli::has;
using testing_cli::Ran;
using testing_cli::Workspace;
using testing_cli::write_tiny_run;

Ran train(const Workspace& work, const std::string& out, const std::vector<std::string>& settings,
          const std::vector<std::string>& more = {}, const testing_cli::Environment& environment = {}) {
  std::vector<std::string> arguments = {"train", "tiny.json", "--out", out};
  for (const std::string& setting : settings) arguments.insert(arguments.end(), {"--set", setting});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return work.run(arguments, environment);
}

bool same(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const size_t bytes = size_t(a[i].value.size()) * bytes_of(a[i].value.dtype());
    if (a[i].name != b[i].name || a[i].value.shape() != b[i].value.shape()) return false;
    if (std::memcmp(a[i].value.raw(), b[i].value.raw(), bytes) != 0) return false;
  }
  return true;
}

void expect_same_end(const Workspace& work, const std::string& one, const std::string& other) {
  const auto last = [&](const std::string& run) {
    return read_checkpoint(work.file(run + "/checkpoints/step-00000006.h5"));
  };
  const Checkpoint a = last(one), b = last(other);
  EXPECT_TRUE(same(a.model, b.model));
  EXPECT_TRUE(same(a.carried, b.carried));
  ASSERT_EQ(a.optimizer.size(), b.optimizer.size());
  for (size_t s = 0; s < a.optimizer.size(); ++s) EXPECT_TRUE(same(a.optimizer[s].second, b.optimizer[s].second));
}

TEST(TrainingKeys, ARunThatIsKilledGoesOnWithItsStateAndItsOptimizer) {
  for (const std::string optimizer : {"adamw", "lion", "muon"}) {
    const Workspace work;
    write_tiny_run(work);
    const std::vector<std::string> settings = {"training.state=carry", "optimizer.name=" + optimizer};
    ASSERT_EQ(train(work, "whole", settings).code, 0);
    EXPECT_EQ(train(work, "killed", settings, {}, {{"ADDER_STOP_WRITING", "half:2"}}).code, 128 + 9);
    const Ran resumed = train(work, "killed", settings, {"--resume", "--threads", "2"});
    EXPECT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_FALSE(read_checkpoint(work.file("whole/checkpoints/step-00000006.h5")).carried.empty());
    expect_same_end(work, "whole", "killed");
  }
}

TEST(TrainingKeys, ACarriedStateChoosesTheOrder) {
  const Workspace work;
  write_tiny_run(work);
  ASSERT_EQ(train(work, "run", {"training.state=carry"}).code, 0);
  EXPECT_EQ(nlohmann::json::parse(work.read("run/config.json"))["data"]["order"], "sequential");
  const Ran random = train(work, "other", {"training.state=carry", "data.order=random"});
  EXPECT_EQ(random.code, 2);
  EXPECT_TRUE(has(random.err, "data.order is \"random\", but with training.state \"carry\""));
  EXPECT_FALSE(work.exists("other"));
  const Ran growing = train(work, "other", {"training.state=carry", "training.batch_size=1000"});
  EXPECT_EQ(growing.code, 3);
  EXPECT_TRUE(has(growing.err, "make training.batch_size smaller"));
}

TEST(TrainingKeys, EvaluationMayCarryTheState) {
  const Workspace work;
  write_tiny_run(work);
  const Ran ran = train(work, "run", {"evaluation.state=carry"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.err, "windows of 16, state carried from one to the next"));
  const Ran carried = work.run({"eval", "run"}), reset = work.run({"eval", "run", "--state", "reset"});
  EXPECT_TRUE(has(carried.out, "state carried from one to the next"));
  EXPECT_TRUE(has(reset.out, "state reset before each"));
  EXPECT_EQ(work.run({"eval", "run", "--state", "on"}).code, 2);
  EXPECT_EQ(work.run({"eval", "run", "--stride", "4"}).code, 2);
  const Ran stride = train(work, "other", {"evaluation.state=carry", "evaluation.stride=4"});
  EXPECT_EQ(stride.code, 2);
  EXPECT_TRUE(has(stride.err, "evaluation.stride is 4, but with evaluation.state \"carry\""));
}

TEST(TrainingKeys, ZLossIsAMetricWhereItIsOn) {
  const Workspace work;
  write_tiny_run(work);
  ASSERT_EQ(train(work, "off", {}).code, 0);
  ASSERT_EQ(train(work, "on", {"training.z_loss=0.0001"}).code, 0);
  EXPECT_FALSE(has(work.read("off/metrics.jsonl"), "z_loss"));
  std::istringstream lines(work.read("on/metrics.jsonl"));
  std::string first;
  std::getline(lines, first);
  const auto line = nlohmann::json::parse(first);
  EXPECT_GT(double(line["z_loss"]), 0);
  EXPECT_LT(double(line["z_loss"]), double(line["train/loss"]) / 100);
}

TEST(TrainingKeys, SeparateDocuments) {
  const Workspace work;
  write_tiny_run(work);
  const Ran joined = train(work, "joined", {});
  const Ran separate = train(work, "separate", {"data.documents=separate", "data.separator=. "});
  ASSERT_EQ(separate.code, 0) << separate.err;
  EXPECT_TRUE(has(separate.err, "validation tokens after the first of each document"));
  EXPECT_TRUE(has(work.run({"eval", "separate"}).out, "each after the first of its document once"));
  const Ran missing = train(work, "other", {"data.documents=separate"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_TRUE(has(missing.err, "data.train is one file and data.separator is empty"));
  EXPECT_FALSE(work.exists("other"));
}

TEST(TrainingKeys, AFinishedRunMakesUpForItsLastEvaluation) {
  const Workspace work;
  write_tiny_run(work);
  ASSERT_EQ(train(work, "run", {}).code, 0);
  const std::string metrics = work.read("run/metrics.jsonl");
  const size_t evaluation = metrics.find("{\"step\":6,\"eval/loss\"");
  ASSERT_NE(evaluation, std::string::npos) << metrics;
  work.write("run/metrics.jsonl", metrics.substr(0, evaluation));  // as an interruption during it leaves them
  const Ran again = train(work, "run", {}, {"--resume"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(work.read("run/metrics.jsonl"), metrics);
  EXPECT_TRUE(has(train(work, "run", {}, {"--resume"}).err, "finished already"));
}

}  // namespace
}  // namespace adder
