// Runs on tasks, from the config to adder eval.
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "framework/training/checkpoint.h"
#include "framework/training/run_folder.h"
#include "tests/support/metrics.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

void write_config(const Workspace& work, const std::string& task, const std::string& training = R"("steps": 300)") {
  work.write("t.json", R"({"name": "t", "data": {"task": )" + task + R"(},
    "model": {"architecture": "lstm", "d_model": 16, "n_layers": 1},
    "optimizer": {"learning_rate": 0.03, "weight_decay": 0}, "schedule": {"name": "constant"},
    "training": {"batch_size": 16, )" + training + R"(},
    "evaluation": {"every": 20}, "checkpoint": {"every": 0}, "logging": {"every": 1}})");
}
constexpr char kParity[] = R"({"name": "parity", "length": 4, "min_length": 2, "evaluation_lengths": [9, 40], "evaluation_examples": 64})";

json result_of(const Workspace& work, std::vector<std::string> command) {
  command.push_back("--json");
  const Ran ran = work.run(command);
  EXPECT_EQ(ran.code, 0) << ran.err;
  return json::parse(ran.out);
}

void expect_refused(const Workspace& work, const std::vector<std::string>& command, const std::vector<std::string>& words) {
  const Ran ran = work.run(command);
  EXPECT_EQ(ran.code, 2) << ran.err;
  EXPECT_EQ(ran.out, "");
  for (const std::string& word : words) EXPECT_TRUE(has(ran.err, word));
}

TEST(CliTask, ARunReachesItsThresholdAndStops) {
  Workspace work;
  write_config(work, kParity);
  const Ran ran = work.run({"train", "t.json", "--set", "evaluation.stop_when_solved=true"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const char* said : {"parity, lengths 2 to 4, fresh examples; held out 64",
                           "odd and even alike: 0.6931 nats a scored token, token accuracy 0.5",
                           "at a token accuracy of 0.99 or more, length 4", "2 ids", "evaluation at step 20: length 4: token accuracy 0.", "; solved"})
    EXPECT_TRUE(has(ran.err, said));
  EXPECT_TRUE(has(ran.out, "length 40: token accuracy"));
  EXPECT_TRUE(has(ran.out, "solved (first at step "));
  EXPECT_TRUE(has(ran.out, "adder eval runs/t"));

  const json last = metrics_of(work, "runs/t").back();
  const int64_t step = last["step"];
  EXPECT_LT(step, 300);
  EXPECT_EQ(step % 20, 0);
  EXPECT_EQ(last["eval/solved_step"], step);
  EXPECT_EQ(last["eval/solved"], 1);
  EXPECT_GE(double(last["eval/token_accuracy"]), 0.99);
  EXPECT_EQ(last["task/chance"], 0.5);
  EXPECT_EQ(last["task/threshold"], 0.99);
  for (const char* key : {"eval/loss", "eval/sequence_accuracy", "eval/loss@9", "eval/token_accuracy@40", "task/baseline_loss"})
    EXPECT_TRUE(last.contains(key)) << key;

  // eval computes the same again; and other lengths.
  const json again = result_of(work, {"eval", "runs/t"});
  EXPECT_EQ(again["solved_step"], step);
  ASSERT_EQ(again["lengths"].size(), 3u);
  EXPECT_EQ(again["lengths"][0]["loss"], last["eval/loss"]);
  EXPECT_EQ(again["lengths"][0]["solved"], true);
  EXPECT_EQ(again["lengths"][2]["length"], 40);
  EXPECT_EQ(again["lengths"][2]["token_accuracy"], last["eval/token_accuracy@40"]);
  const json other = result_of(work, {"eval", "runs/t", "--length", "5", "--length", "2000", "--examples", "3"});
  ASSERT_EQ(other["lengths"].size(), 2u);
  EXPECT_EQ(other["lengths"][1]["examples"], 3);
  const Ran text = work.run({"eval", "runs/t"});
  for (const char* said : {"parity", "odd and even alike", "first at step", "sequence accuracy"}) EXPECT_TRUE(has(text.out, said));

  // It is finished, but for who wants to go on.
  const Ran done = work.run({"train", "t.json", "--resume", "--set", "evaluation.stop_when_solved=true"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_TRUE(has(done.err, "where its task was solved"));
  const json more = result_of(work, {"train", "t.json", "--resume", "--quiet"});
  EXPECT_EQ(more["step"], 300);
  EXPECT_EQ(more["solved_step"], step);
}

TEST(CliTask, AResumedRunHasTheSameBits) {
  Workspace work;
  for (const char* task : {kParity, R"({"name": "adding", "length": 6, "examples": 37, "evaluation_examples": 8})"}) {
    const std::string name = task == kParity ? "parity" : "adding";
    write_config(work, task, R"("steps": 30, "accumulate": 2)");
    ASSERT_EQ(work.run({"train", "t.json", "--quiet", "--out", name}).code, 0);
    ASSERT_EQ(work.run({"train", "t.json", "--quiet", "--out", name + "2", "--set", "training.steps=13", "--set",
                        "schedule.decay_steps=30"}).code, 0);
    ASSERT_EQ(work.run({"train", "t.json", "--quiet", "--out", name + "2", "--resume", "--set", "schedule.decay_steps=30"}).code, 0);
    const Checkpoint a = read_checkpoint(RunFolder(work.file(name)).checkpoint_path(30));
    const Checkpoint b = read_checkpoint(RunFolder(work.file(name + "2")).checkpoint_path(30));
    ASSERT_EQ(a.model.size(), b.model.size());
    for (size_t i = 0; i < a.model.size(); ++i)
      EXPECT_EQ(std::memcmp(a.model[i].value.raw(), b.model[i].value.raw(), size_t(a.model[i].value.size()) * 4), 0)
          << a.model[i].name;
    EXPECT_EQ(a.data_hash, b.data_hash);
    EXPECT_EQ(a.solved_step, b.solved_step);
    EXPECT_EQ(metrics_of(work, name).back(), metrics_of(work, name + "2").back());
  }
}

TEST(CliTask, RealInputsTrainToo) {
  Workspace work;
  write_config(work, R"({"name": "adding", "length": 6})", R"("steps": 40)");
  const Ran ran = work.run({"train", "t.json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const char* said : {"1, whatever comes: 0.1667 mean squared error", "at a loss of 0.01 or less", "2 real numbers a position"})
    EXPECT_TRUE(has(ran.err, said));
  const json last = metrics_of(work, "runs/t").back();
  EXPECT_LT(double(last["eval/loss"]), 1.0 / 6);
  EXPECT_FALSE(last.contains("eval/token_accuracy"));
  EXPECT_EQ(result_of(work, {"eval", "runs/t"})["lengths"][0]["loss"], last["eval/loss"]);
  EXPECT_EQ(work.run({"inspect", "runs/t"}).code, 0);
  EXPECT_EQ(work.run({"check", "t.json", "--only", "batch row"}).code, 0);
}

TEST(CliTask, WhatATaskModelCannotDo) {
  Workspace work;
  write_config(work, R"({"name": "adding", "length": 6})", R"("steps": 2)");
  ASSERT_EQ(work.run({"train", "t.json", "--quiet", "--out", "adding"}).code, 0);
  write_config(work, kParity, R"("steps": 2)");
  ASSERT_EQ(work.run({"train", "t.json", "--quiet", "--out", "parity"}).code, 0);
  expect_refused(work, {"generate", "parity", "--prompt", "x"}, {"was trained on the task parity", "adder eval"});
  expect_refused(work, {"eval", "parity", "--data", "t.json"}, {"was trained on the task parity", "--length"});
  expect_refused(work, {"eval", "parity", "--by-position"}, {"are for text"});
  expect_refused(work, {"eval", "parity", "--length", "0"}, {"--length 0: expected at least 1"});
  expect_refused(work, {"eval", "parity", "--length", "3000000000"}, {"--length 3000000000: expected at least 1 and at most 2147483647"});
  expect_refused(work, {"eval", "parity", "--examples", "-3"}, {"--examples is -3"});
  expect_refused(work, {"trace", "adding", "--input", "b.h5", "--out", "o.h5"}, {"takes 2 real inputs a position (data.task adding)"});
  // Weights of another kind, or of another vocabulary.
  expect_refused(work, {"train", "t.json", "--out", "x", "--set", "initialize.from=adding"},
                 {"takes 2 real inputs a position, but the data are token ids"});
  expect_refused(work, {"train", "t.json", "--out", "x", "--set", "initialize.from=parity", "--set", "data.task.name=dyck",
                        "--set", "data.task.min_length=0", "--set", "data.task.evaluation_lengths=[]"},
                 {"data.task.name is \"dyck\", of 5 ids", "has a vocabulary of 2"});
  EXPECT_EQ(work.run({"train", "t.json", "--quiet", "--out", "y", "--set", "initialize.from=parity"}).code, 0);
  // Too long to be seen whole.
  expect_refused(work, {"train", "t.json", "--out", "x", "--set", "model.architecture=attention", "--set",
                        "data.task.evaluation_lengths=[40000]"}, {"40000 positions", "at most 32768"});
  EXPECT_FALSE(work.exists("x"));
  write_tiny_run(work);
  ASSERT_EQ(work.run({"train", "tiny.json", "--quiet", "--out", "text"}).code, 0);
  expect_refused(work, {"eval", "text", "--length", "5"}, {"was trained on no task"});
}

}  // namespace
}  // namespace adder
