// adder study, from a file to its report: what it refuses, what it makes, and that a study broken off ends as any other.
#include <gtest/gtest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "framework/core/random.h"
#include "framework/data/hdf5.h"
#include "tests/support/command_line.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

std::string base(int steps) {
  return R"("base": {
    "data": {"train": "text.txt", "tokenizer": "char", "test_fraction": 0.1},
    "model": {"n_layers": 1, "d_model": 8},
    "training": {"steps": )" + std::to_string(steps) + R"(, "batch_size": 2, "context_length": 16},
    "evaluation": {"every": 0}, "checkpoint": {"every": 2}, "logging": {"every": 1}})";
}

const char kArms[] = R"("axes": [{"name": "architecture", "arms": [
    {"name": "mamba", "set": {"model.architecture": "mamba", "model.d_state": 4}},
    {"name": "rnn", "set": {"model": {"architecture": "rnn"}}}]}])";

std::string study(int steps, const std::string& more) {
  return "{\n  // a study of a moment\n  " + base(steps) + ",\n  " + kArms + ",\n  \"seeds\": [1, 2],\n  " + more + "\n}\n";
}

const char kMeasures[] = R"("question": "Which is better?", "measures": [{"name": "quality"}, {"name": "size", "contexts": [4, 8]}, {"name": "equality", "length": 6}],
  "claims": [
    {"id": "quality", "statement": "A is no worse", "measure": "quality.loss", "arms": ["mamba", "rnn"], "relation": "at_most", "bound": 0.02},
    {"id": "equal", "statement": "recurrent = parallel", "measure": "equality.difference", "arms": ["mamba"], "relation": "at_most", "bound": 1e-4},
    {"id": "state", "statement": "a state of one size", "measure": "size.state_exponent", "arms": ["mamba"], "relation": "within", "band": [-0.01, 0.01]}])";

void expect_refused(const std::string& text, const std::vector<std::string>& words, const std::vector<std::string>& options = {}) {
  const Workspace work;
  write_tiny_run(work);
  work.write("s.json", text);
  std::vector<std::string> command = {"study", "s.json", "--out", "o"};
  command.insert(command.end(), options.begin(), options.end());
  const Ran ran = work.run(command);
  EXPECT_EQ(ran.code, 2) << ran.err;
  EXPECT_EQ(ran.out, "");
  for (const std::string& word : words) EXPECT_TRUE(has(ran.err, word));
  EXPECT_FALSE(work.exists("o")) << "nothing is written";
}

TEST(CliStudy, FromAFileToAReport) {
  const Workspace work;
  write_tiny_run(work);
  work.write("s.json", study(4, kMeasures));
  const Ran listed = work.run({"study", "s.json", "--out", "o", "--list"});
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_TRUE(has(listed.out, "mamba, seed 1"));
  EXPECT_TRUE(has(listed.out, "waiting"));
  EXPECT_FALSE(work.exists("o"));
  EXPECT_EQ(work.run({"study", "s.json", "--out", "o", "--run", "1"}).code, 0);
  EXPECT_FALSE(work.exists("o/report.html"));
  const Ran ran = work.run({"study", "s.json", "--out", "o"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.err, "mamba, seed 1  finished before"));
  for (const char* said : {"quality", "undecided", "equal", "supported", "o/report.html"}) EXPECT_TRUE(has(ran.out, said));
  const json results = json::parse(work.read("o/results.json"));
  const json& s = results["studies"][0];
  EXPECT_EQ(s["missing"], 0);
  EXPECT_EQ(s["claims"][1]["verdict"], "supported");
  EXPECT_EQ(s["claims"][2]["verdict"], "supported");
  EXPECT_EQ(s["claims"][0]["verdict"], "undecided") << "two seeds decide nothing";
  EXPECT_EQ(s["values"]["quality.loss"]["rnn"]["each"].size(), 2u);
  const std::string page = work.read("o/report.html");
  for (const char* said : {"Which is better?", "2 claims supported", "undecided", "losses are of the test split"}) EXPECT_TRUE(has(page, said));
  EXPECT_EQ(work.run({"study", "--verify", "o"}).code, 0);
  EXPECT_EQ(work.run({"report", "o"}).code, 0);
  EXPECT_EQ(work.read("o/report.html"), page);
  EXPECT_EQ(work.run({"study", "s.json", "--out", "p", "--jobs", "2"}).code, 0);
  EXPECT_EQ(work.read("p/results.json"), work.read("o/results.json"));
  std::filesystem::remove(work.file("text.txt"));
  EXPECT_EQ(work.run({"study", "--verify", "o"}).code, 0) << "the text is not needed";
}

TEST(CliStudy, VerifyNamesWhatChanged) {
  const Workspace work;
  write_tiny_run(work);
  work.write("s.json", study(2, R"("measures": [{"name": "quality"}])"));
  ASSERT_EQ(work.run({"study", "s.json", "--out", "o"}).code, 0);
  const std::string hashes = work.read("o/hashes.json");
  const std::string run = json::parse(hashes).items().begin().key();
  const std::string path = "o/runs/" + run + "/metrics.jsonl";
  work.write(path, work.read(path) + " ");
  const Ran ran = work.run({"study", "--verify", "o"});
  EXPECT_EQ(ran.code, 5);
  EXPECT_TRUE(has(ran.err, run + "/metrics.jsonl"));
}

void expect_same_report(const Workspace& work, const std::string& a, const std::string& b) {
  for (const char* file : {"study.json", "results.json", "results.csv", "results.h5", "report.html"})
    EXPECT_TRUE(work.read(a + "/" + file) == work.read(b + "/" + file)) << file << " of " << a << " and of " << b;
}

// At random moments, so that trials of a sweep, runs, measurements and the report are all hit in the long run.
TEST(CliStudy, KilledAndStartedAgainItReportsTheSame) {
  const Workspace work;
  write_tiny_run(work);
  std::string text = study(20, R"("sweep": {"values": [1e-3, 1e-2], "seeds": [9]}, "measures": [{"name": "quality"}, {"name": "equality", "length": 6}])");
  text.replace(text.find("\"every\": 2"), 10, "\"every\": 10");
  work.write("s.json", text);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(work.run({"study", "s.json", "--out", "whole"}).code, 0);
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - begin;
  const uint64_t seed = uint64_t(std::chrono::system_clock::now().time_since_epoch().count());
  SCOPED_TRACE("seed " + std::to_string(seed));
  const Random random(seed, "moments");
  int killed = 0;
  for (uint64_t i = 0; i < 4; ++i) {
    const pid_t child = work.start({"study", "s.json", "--out", "broken"});
    std::this_thread::sleep_for(whole * (0.5 * random.uniform(i)));
    kill(child, i == 2 ? SIGINT : SIGKILL);
    killed += work.finish(child).code != 0;
  }
  EXPECT_GE(killed, 1);
  ASSERT_EQ(work.run({"study", "s.json", "--out", "broken"}).code, 0);
  expect_same_report(work, "broken", "whole");
  EXPECT_EQ(work.run({"study", "--verify", "broken"}).code, 0);
}

TEST(CliStudy, ResultsLieInHdf5WithNamedAxes) {
  const Workspace work;
  write_tiny_run(work);
  std::string text = study(4, kMeasures);
  text.replace(text.find("\"every\": 0"), 10, "\"every\": 2");
  work.write("s.json", text);
  ASSERT_EQ(work.run({"study", "s.json", "--out", "o"}).code, 0);
  const json values = json::parse(work.read("o/results.json"))["studies"][0]["values"];
  const Hdf5File file = Hdf5File::open(work.file("o/results.h5"));
  const Tensor loss = file.read("/s/quality.loss", DType::f64, {2, 2});
  EXPECT_EQ(loss.data<double>()[1 * 2 + 0], values["quality.loss"]["rnn"]["each"][0].get<double>());
  EXPECT_EQ(file.string_attribute("/s/quality.loss", "units"), "nats a token");
  EXPECT_EQ(file.read("/s/seed", DType::f64, {2}).data<double>()[1], 2);
  EXPECT_EQ(file.describe("/s/eval_loss").shape, (Shape{2, 2, 2}));
  EXPECT_EQ(file.describe("/s/train_loss").shape, (Shape{2, 2, 4}));
  EXPECT_EQ(file.describe("/s/verdict").dtype, "string");
  for (const char* scale : {"/s/arm", "/s/seed", "/s/eval_step", "/s/claim"}) EXPECT_EQ(file.string_attribute(scale, "CLASS"), "DIMENSION_SCALE") << scale;
}

TEST(CliStudy, WidthsAreSolvedForAndPrinted) {
  const Workspace work;
  write_tiny_run(work);
  const char kMatched[] = R"("measures": [{"name": "size"}], "match": {"what": "parameters", "reference": "mamba", "tolerance": 0.1})";
  work.write("s.json", study(2, kMatched));
  const Ran ran = work.run({"study", "s.json", "--out", "o"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.err, "rnn: model.d_model "));
  EXPECT_TRUE(has(ran.err, "solved for"));
  const json arms = json::parse(work.read("o/results.json"))["studies"][0]["arms"];
  EXPECT_NEAR(arms[1]["non_embedding_parameters"].get<double>(), arms[0]["non_embedding_parameters"].get<double>(),
              0.1 * arms[0]["non_embedding_parameters"].get<double>());
  expect_refused(study(2, R"("measures": [{"name": "size"}], "match": {"what": "parameters", "reference": "mamba", "tolerance": 0.0001})"),
                 {"match: rnn can't be matched", "% off"});
}

TEST(CliStudy, ASweepTunesEachArmByValidation) {
  const Workspace work;
  write_tiny_run(work);
  work.write("s.json", study(6, R"("sweep": {"values": [1e-6, 1e-2], "seeds": [9]}, "measures": [{"name": "quality"}])"));
  EXPECT_TRUE(has(work.run({"study", "s.json", "--out", "o", "--list"}).err, "that follow from the sweep are listed when that is done"));
  const Ran ran = work.run({"study", "s.json", "--out", "o"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.err, "rnn: optimizer.learning_rate 0.01 of 2 tried, at the edge of the sweep"));
  const json s = json::parse(work.read("o/results.json"))["studies"][0];
  EXPECT_EQ(s["sweep"]["rnn"].size(), 2u);
  EXPECT_GT(s["sweep"]["rnn"][0]["validation_loss"][0], s["sweep"]["rnn"][1]["validation_loss"][0]);
  EXPECT_EQ(s["values"]["quality.loss"]["rnn"]["each"].size(), 2u) << "trials are not reported";
  EXPECT_TRUE(has(work.read("o/report.html"), "lies at the edge of the sweep"));
  EXPECT_EQ(work.run({"study", "--verify", "o"}).code, 0);
  expect_refused(study(2, R"("sweep": {"values": [0.1], "seeds": [2]}, "measures": [{"name": "quality"}])"), {"2 is among the study's seeds"});
}

// The same time for every arm: one arm's steps follow from tokens/s that are timed once and stored.
TEST(CliStudy, EqualTimeIsTimedOnce) {
  const Workspace work;
  write_tiny_run(work);
  work.write("s.json", study(6, R"("match": {"budget": "time", "reference": "mamba", "tolerance": 0.3}, "sweep": {"values": [1e-3, 1e-2], "seeds": [9]}, "measures": [{"name": "quality"}])"));
  const Ran listed = work.run({"study", "s.json", "--out", "o", "--list"});
  EXPECT_TRUE(has(listed.out, "tokens/s of all arms in turn"));
  EXPECT_TRUE(has(listed.err, "that follow from the calibration are listed when that is done"));
  ASSERT_EQ(work.run({"study", "s.json", "--out", "o", "--run", "1"}).code, 0);
  EXPECT_TRUE(has(work.run({"study", "s.json", "--out", "o", "--list"}).out, "rnn, optimizer.learning_rate 0.01"));
  const Ran ran = work.run({"study", "s.json", "--out", "o"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.err, "in the time of mamba, at "));
  EXPECT_TRUE(has(ran.err, "calibration: tokens/s of all arms in turn  finished before"));
  const json s = json::parse(work.read("o/results.json"))["studies"][0];
  EXPECT_EQ(s["missing"], 0);
  EXPECT_TRUE(has(s["arms"][1]["matched"], "training.steps "));
  EXPECT_EQ(s["arms"][1]["seconds_a_token"].size(), 9u);
  EXPECT_EQ(s["values"]["quality.loss"]["rnn"]["n"], 2);
  EXPECT_TRUE(has(work.read("o/report.html"), "every arm is trained for the time of mamba"));
  EXPECT_EQ(work.run({"study", "--verify", "o"}).code, 0);
  ASSERT_EQ(work.run({"study", "s.json", "--out", "p", "--jobs", "2"}).code, 0) << "its own times";
  EXPECT_EQ(work.run({"study", "--verify", "p"}).code, 0);
}

// A set whose studies are at different stages: what a process is started for is that job, whatever others became known.
TEST(CliStudy, ProcessesTakeTheirOwnJobs) {
  const Workspace work;
  write_tiny_run(work);
  const std::string by_time = R"("match": {"budget": "time", "reference": "mamba", "tolerance": 0.3}, "measures": [{"name": "quality"}])";
  work.write("a.json", study(6, R"("sweep": {"values": [1e-3, 1e-2], "seeds": [9]}, )" + by_time));
  work.write("b.json", study(7, by_time));
  work.write("all.json", R"({"question": "both?", "studies": ["a.json", "b.json"]})");
  const Ran ran = work.run({"study", "all.json", "--out", "o", "--jobs", "2"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_FALSE(has(ran.err, "another process"));
  EXPECT_EQ(work.run({"study", "--verify", "o"}).code, 0);
}

TEST(CliStudy, AFolderHoldsOneStudy) {
  const Workspace work;
  write_tiny_run(work);
  const std::string text = study(2, R"("measures": [{"name": "size"}])");
  work.write("s.json", text), work.write("t.json", text);
  ASSERT_EQ(work.run({"study", "s.json", "--out", "o"}).code, 0);
  const std::string stored = work.read("o/study.json");
  const Ran ran = work.run({"study", "t.json", "--out", "o"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(has(ran.err, "o holds the study \"s\", expected \"t\" or a new folder"));
  EXPECT_EQ(work.read("o/study.json"), stored);
}

bool is_locked(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR);
  const bool locked = file >= 0 && flock(file, LOCK_EX | LOCK_NB) != 0;
  if (file >= 0) close(file);
  return locked;
}

// The runs of a killed parent save and end, so that the next one can go on with them.
TEST(CliStudy, AKilledParentLeavesNoRunBehind) {
  const Workspace work;
  write_tiny_run(work);
  std::string text = study(1000000, R"("measures": [{"name": "quality"}])");
  text.replace(text.find("\"every\": 2"), 10, "\"every\": 1000000");
  work.write("s.json", text);
  const auto runs_with = [&](const auto& has) {
    int count = 0;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(work.file("o/runs"), none)) count += has(entry.path().string());
    return count;
  };
  const auto wait_for = [](const auto& reached) {
    for (int i = 0; i < 3000 && !reached(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return reached();
  };
  const auto begun = [](const std::string& run) {
    return std::filesystem::exists(run + "/metrics.jsonl") && !std::filesystem::is_empty(run + "/metrics.jsonl");
  };
  const pid_t parent = work.start({"study", "s.json", "--out", "o", "--jobs", "2"});
  const bool both = wait_for([&] { return runs_with(begun) == 2; });
  kill(parent, SIGKILL);
  work.finish(parent);
  ASSERT_TRUE(both);
  EXPECT_TRUE(wait_for([&] { return runs_with([](const std::string& run) { return is_locked(run + "/lock"); }) == 0; }));
  EXPECT_EQ(runs_with([](const std::string& run) { return !std::filesystem::is_empty(run + "/checkpoints"); }), 2) << "each saved";
}

const char kBeyond[] = R"("measures": [{"name": "extrapolation", "lengths": [8, 16, 64], "tokens": 64}, {"name": "positions", "edges": [4, 16, 32], "tokens": 64}],
  "claims": [{"id": "far", "statement": "A holds", "measure": "extrapolation.rise", "arms": ["mamba", "rnn"], "relation": "at_most", "bound": 0.1}])";

// What is read of a checkpoint again lies beside the run's result: measures that are added later train nothing anew.
TEST(CliStudy, LossBeyondTheLengthOfTraining) {
  const Workspace work;
  write_tiny_run(work);
  work.write("s.json", study(2, R"("measures": [{"name": "quality"}])"));
  ASSERT_EQ(work.run({"study", "s.json", "--out", "o"}).code, 0);
  work.write("s.json", study(2, kBeyond));
  const std::string folder = json::parse(work.read("o/hashes.json")).items().begin().key(), metrics = work.read("o/runs/" + folder + "/metrics.jsonl");
  EXPECT_TRUE(has(work.run({"study", "s.json", "--out", "o", "--list"}).out, "begun"));
  const Ran ran = work.run({"study", "s.json", "--out", "o"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(work.read("o/runs/" + folder + "/metrics.jsonl"), metrics);
  const json s = json::parse(work.read("o/results.json"))["studies"][0];
  for (const char* value : {"extrapolation.loss@8", "extrapolation.loss@64", "extrapolation.rise", "positions.loss@4", "positions.loss@32", "positions.gain"})
    EXPECT_EQ(s["values"][value]["rnn"]["n"], 2) << value;
  EXPECT_EQ(s["text_bootstrap"].items().begin().key(), "extrapolation.rise of mamba minus rnn");
  EXPECT_TRUE(has(work.read("o/report.html"), "extrapolation.loss against length"));
  EXPECT_EQ(work.run({"study", "--verify", "o"}).code, 0);
  ASSERT_EQ(work.run({"study", "s.json", "--out", "p", "--jobs", "2"}).code, 0);
  EXPECT_EQ(work.read("p/results.json"), work.read("o/results.json"));
  for (const auto& entry : std::filesystem::directory_iterator(work.file("o/runs/" + folder)))
    if (const std::string name = entry.path().filename(); name.starts_with("positions-")) work.write("o/runs/" + folder + "/" + name, "{}");
  const Ran changed = work.run({"study", "--verify", "o"});
  EXPECT_NE(changed.code, 0);
  EXPECT_TRUE(has(changed.err, "positions-"));
}

// One loss that every run has from the start, and one that none can have: tokens, seconds, and runs that never got there.
TEST(CliStudy, TheWayToALoss) {
  const Workspace work;
  write_tiny_run(work);
  const auto with_target = [](const std::string& loss) {
    std::string text = study(4, R"("measures": [{"name": "target", "loss": )" + loss + R"(, "rounds": 2, "seconds": 0.001}],
      "claims": [{"id": "sooner", "statement": "A is there sooner", "measure": "target.tokens", "arms": ["mamba", "rnn"], "compare": "ratio", "relation": "at_most", "bound": 1}])");
    return text.replace(text.find(R"("every": 0)"), 10, R"("every": 2)");
  };
  work.write("s.json", with_target("100"));
  const Ran ran = work.run({"study", "s.json", "--out", "o"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  json s = json::parse(work.read("o/results.json"))["studies"][0];
  EXPECT_EQ(s["values"]["target.tokens"]["rnn"]["each"], json({64.0, 64.0})) << "the first evaluation is after 2 steps of 32 tokens";
  EXPECT_EQ(s["values"]["target.reached"]["rnn"]["mean"], 1.0);
  EXPECT_GT(s["values"]["target.seconds"]["rnn"]["median"], 0.0);
  EXPECT_EQ(s["values"]["target.pace"]["mamba"]["n"], 2) << "by round";
  work.write("s.json", with_target("1e-9"));
  ASSERT_EQ(work.run({"study", "s.json", "--out", "o"}).code, 0);
  s = json::parse(work.read("o/results.json"))["studies"][0];
  EXPECT_EQ(s["values"]["target.tokens"]["rnn"]["never_but_at_least"], json({128.0, 128.0}));
  EXPECT_EQ(s["values"]["target.reached"]["rnn"]["mean"], 0.0);
  EXPECT_EQ(s["claims"][0]["verdict"], "undecided");
  EXPECT_EQ(s["claims"][0]["never"], 4);
  EXPECT_TRUE(has(work.read("o/results.csv"), "128.0,1\n"));
  EXPECT_TRUE(has(work.read("o/report.html"), "2 of 2 never"));
  EXPECT_EQ(work.run({"study", "--verify", "o"}).code, 0);
}

TEST(CliStudy, WhatAWrongRateCosts) {
  const Workspace work;
  write_tiny_run(work);
  work.write("s.json", study(6, R"("sweep": {"values": [1e-6, 1e-2, 1e3], "seeds": [8, 9]}, "measures": [{"name": "sensitivity"}],
    "claims": [{"id": "steadier", "statement": "A is steadier", "measure": "sensitivity.deviation", "arms": ["mamba", "rnn"], "relation": "at_most", "bound": 0}])"));
  const Ran ran = work.run({"study", "s.json", "--out", "o"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_LT(ran.out.find("noise floor"), ran.out.find("undecided")) << "printed before the verdicts";
  const json s = json::parse(work.read("o/results.json"))["studies"][0];
  const json& values = s["values"]["sensitivity.deviation"];
  for (const char* arm : {"mamba", "rnn"}) {
    EXPECT_EQ(values[arm]["n"], 2) << "one a seed of the sweep";
    EXPECT_GT(values[arm]["mean"], 0.0);
    EXPECT_LT(values[arm]["mean"], 4.0) << "no trial counts above the loss before training";
  }
  EXPECT_GT(s["noise_floor"]["sensitivity.deviation"]["detectable_difference"], 0.0);
  EXPECT_EQ(work.run({"study", "--verify", "o"}).code, 0);
  expect_refused(study(2, R"("measures": [{"name": "sensitivity"}])"), {"sensitivity is of a sweep, and there is none"});
}

// A text of known entropy, laws over two sizes of each kind too few, and one that can be fitted.
TEST(CliStudy, AScalingLaw) {
  const Workspace work;
  const std::string text = R"({"base": {
      "data": {"generated": {"name": "markov", "symbols": 4, "order": 1, "train_tokens": 4000, "validation_tokens": 400, "test_tokens": 2000}},
      "model": {"architecture": "rnn", "n_layers": 1}, "optimizer": {"learning_rate": 1e-2},
      "training": {"batch_size": 4, "context_length": 16, "steps": 40}, "evaluation": {"every": 0}, "checkpoint": {"every": 0}},
    "axes": [{"name": "width", "key": "model.d_model", "values": [2, 4, 8, 16]}], "seeds": [1, 2],
    "measures": [{"name": "quality"}], "fits": [{"id": "floor", "law": "parameters", "draws": 100}]})";
  work.write("s.json", text);
  const Ran ran = work.run({"study", "s.json", "--out", "o"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json fit = json::parse(work.read("o/results.json"))["studies"][0]["fits"][0];
  EXPECT_EQ(fit["points"].size(), 8u);
  EXPECT_GT(fit["E"], 0.0);
  EXPECT_NEAR(fit["source_loss"].get<double>(), fit["entropy_rate"].get<double>(), 0.1) << "2,000 tokens of the chain itself";
  EXPECT_TRUE(fit.contains("E_covers_entropy_rate"));
  EXPECT_TRUE(has(work.read("o/report.html"), "fitted floor E"));
  EXPECT_EQ(work.run({"study", "--verify", "o"}).code, 0);
}

TEST(CliStudy, RefusesBeforeTheFirstRun) {
  expect_refused(study(2, R"("measures": [{"name": "positions", "edges": [16, 1048576], "tokens": 2097152}])"), {"reads stretches of 1048576 tokens, but the split that losses are of has"});
  expect_refused(study(2, R"("measures": [{"name": "qualitty"}])"), {"s.json:12:25: measures: unknown measure \"qualitty\"", "did you mean \"quality\""});
  expect_refused(study(2, R"("mesures": [])"), {"s.json:12:3: unknown key mesures", "measures"});
  expect_refused("{" + base(2) + R"(, "axes": [{"name": "width", "key": "model.d_modle", "values": [8]}], "measures": [{"name": "size"}]})",
                 {"unknown key model.d_modle", "d_model"});
  expect_refused(study(2, R"("measures": [{"name": "quality"}], "seeds": [3, 4, 3])"), {"seeds is given twice"});
  expect_refused("{" + base(2) + "," + kArms + R"(, "measures": [{"name": "quality"}], "seeds": [3, 4, 3]})", {"3 is given twice"});
  const std::string claim = R"("measures": [{"name": "quality"}], "claims": [{"id": "x", "statement": "x", "measure": "quality.loss", "relation": "at_most", "arms": )";
  expect_refused(study(2, claim + R"(["mamba", "gru"]}])"), {"claims: x: there is no arm \"gru\"; arms: mamba, rnn"});
  expect_refused(study(2, claim + R"(["mamba", "rnn"]}])"), {"2 seeds can't decide", "needs 6"}, {"--full"});
  expect_refused(study(2, R"("measures": [{"name": "size"}], "claims": [{"id": "x", "statement": "x", "measure": "size.weight", "relation": "at_most", "arms": ["rnn"]}])"),
                 {"there is no value \"size.weight\"", "size.parameters"});
  expect_refused(study(2, R"("measures": [{"name": "task"}])"), {"needs a base with data.task"});
  const std::string sound = study(2, R"("measures": [{"name": "quality"}])");
  expect_refused(sound, {"--run is 9, expected 1 to 4 or a folder"}, {"--run", "9"});
  expect_refused(sound, {"--only gru: no run has that in its name"}, {"--only", "gru"});
}

}  // namespace
}  // namespace adder
