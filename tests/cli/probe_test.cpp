// adder probe, from a config, a run or a checkpoint to what it says and writes.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "framework/data/hdf5.h"
#include "tests/support/command_line.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

void expect_refused(const Workspace& work, std::vector<std::string> command, int code, const std::vector<std::string>& words) {
  command.insert(command.begin(), "probe");
  const Ran ran = work.run(command);
  EXPECT_EQ(ran.code, code) << ran.err;
  EXPECT_EQ(ran.out, "");
  for (const std::string& word : words) EXPECT_TRUE(has(ran.err, word));
}

json result_of(const Workspace& work, std::vector<std::string> command) {
  command.insert(command.begin(), "probe");
  command.push_back("--json");
  const Ran ran = work.run(command);
  EXPECT_EQ(ran.code, 0) << ran.err;
  return ran.code == 0 ? json::parse(ran.out) : json::object();
}

TEST(CliProbe, AnUntrainedConfig) {
  const Workspace work;
  write_tiny_run(work);
  const Ran ran = work.run({"probe", "tiny.json", "--length", "24", "--probes", "3", "--set", "seed=5"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const char* said : {"tiny.json, at initialisation (seed 5), mamba, ", "3 stretches of 24 tokens: the validation split",
                           "memory", "blocks.1.mixer.ssm", "closed form", "reach in time: ", "depth: from layers.1",
                           "the gradient "})
    EXPECT_TRUE(has(ran.out, said));
  EXPECT_EQ(ran.err, "");
  EXPECT_EQ(work.entries(), (std::vector<std::string>{"text.txt", "tiny.json"})) << "nothing is written unasked";
}

TEST(CliProbe, ItsFilesSayTheSame) {
  const Workspace work;
  write_tiny_run(work);
  const std::vector<std::string> command = {"tiny.json", "--length", "20", "--probes", "2", "--exponents", "2", "--out", "p/q"};
  const json result = result_of(work, command);
  EXPECT_EQ(json::parse(work.read("p/q/probe.json")), result);
  EXPECT_EQ(result["lags"], 19);
  ASSERT_EQ(result["stream"]["embed"].size(), 20u);
  ASSERT_EQ(result["lyapunov"].size(), 2u);
  EXPECT_EQ(result["lyapunov"][0]["exponents"].size(), 2u);
  EXPECT_EQ(result["total"]["layers.1"].size(), 20u);
  EXPECT_EQ(result["long_jacobian"].size(), 2u * 5) << "two blocks over 1, 2, 4, 8 and 16 steps";
  EXPECT_EQ(work.entries(), (std::vector<std::string>{"p", "text.txt", "tiny.json"}));
  EXPECT_TRUE(has(work.read("p/q/report.html"), result["verdict"].get<std::string>()));
  const Tensor stream = Hdf5File::open(work.file("p/q/probe.h5")).read("/stream");
  const double mean = std::log10((std::pow(10, stream.item(7)) + std::pow(10, stream.item(20 + 7))) / 2);
  EXPECT_NEAR(result["stream"]["embed"][7].get<double>(), mean, 1e-12);
  const std::string before = work.read("p/q/probe.json"), page = work.read("p/q/report.html");
  std::vector<std::string> again = command;
  again.insert(again.end(), {"--threads", "1"});
  result_of(work, again);
  EXPECT_EQ(work.read("p/q/probe.json"), before);
  EXPECT_EQ(work.read("p/q/report.html"), page);
}

TEST(CliProbe, ARunAndItsCheckpoint) {
  const Workspace work;
  write_tiny_run(work, 2);
  ASSERT_EQ(work.run({"train", "tiny.json", "--out", "run"}).code, 0);
  const std::vector<std::string> sizes = {"--length", "16", "--probes", "1"};
  const auto of = [&](const std::string& path) {
    std::vector<std::string> command = {path};
    command.insert(command.end(), sizes.begin(), sizes.end());
    return result_of(work, command);
  };
  const json run = of("run"), untrained = of("tiny.json");
  EXPECT_TRUE(has(run["model"], "step-00000002.h5 (step 2)"));
  EXPECT_EQ(run["stream"], of("run/checkpoints/step-00000002.h5")["stream"]);
  EXPECT_NE(run["stream"], untrained["stream"]);
}

TEST(CliProbe, SeveralAreComparedOnOneAxis) {
  const Workspace work;
  write_tiny_run(work, 2);
  ASSERT_EQ(work.run({"train", "tiny.json", "--out", "run"}).code, 0);
  const std::vector<std::string> sizes = {"--length", "16", "--probes", "1", "--exponents", "1"};
  std::vector<std::string> command = {"tiny.json", "run", "--out", "both"};
  command.insert(command.end(), sizes.begin(), sizes.end());
  const json result = result_of(work, command);
  std::vector<std::string> alone = {"run"};
  alone.insert(alone.end(), sizes.begin(), sizes.end());
  EXPECT_EQ(result["run"], result_of(work, alone));
  const Hdf5File file = Hdf5File::open(work.file("both/probe.h5"));
  EXPECT_EQ(file.read("/embedding").shape(), (Shape{2, 16}));
  EXPECT_EQ(file.read("/embedding").item(16 + 5), result["run"]["stream"]["embed"][5].get<double>());
  EXPECT_TRUE(work.exists("both/tiny/probe.json") && work.exists("both/run/report.html"));
  EXPECT_TRUE(has(work.read("both/report.html"), "keeps the largest share of its gradient over 15 tokens"));
  work.write("longer.json", tiny_config(2));
  command = {"tiny.json", "longer.json"};
  command.insert(command.end(), sizes.begin(), sizes.end());
  EXPECT_EQ(result_of(work, command).size(), 2u);
}

TEST(CliProbe, ATasksExamplesAndRandomTokens) {
  const Workspace work;
  work.write("t.json", R"({"data": {"task": {"name": "parity", "length": 20}},
                           "model": {"architecture": "lstm", "d_model": 4, "n_layers": 1}})");
  EXPECT_TRUE(has(result_of(work, {"t.json", "--probes", "2"})["text"], "held-out examples of parity of length 20"));
  EXPECT_TRUE(has(result_of(work, {"t.json", "--random", "--length", "16"})["text"],
                  "8 stretches of 16 tokens: random tokens, each of 2 as likely"));
  expect_refused(work, {"t.json", "--length", "4"}, 2, {"--length is 4, expected at least 16"});
  work.write("real.json", R"({"data": {"task": {"name": "adding"}}, "model": {"architecture": "lstm", "d_model": 4}})");
  expect_refused(work, {"real.json"}, 2, {"reads real inputs (data.task adding)", "token ids"});
}

TEST(CliProbe, Refusals) {
  const Workspace work;
  write_tiny_run(work, 2);
  ASSERT_EQ(work.run({"train", "tiny.json", "--out", "run"}).code, 0);
  expect_refused(work, {"absent.json"}, 2, {"absent.json"});
  expect_refused(work, {"absent"}, 3, {"absent"});
  expect_refused(work, {"run", "--set", "seed=2"}, 2, {"--set and --vocabulary change a config; run is a run or a checkpoint"});
  expect_refused(work, {"tiny.json", "--best"}, 2, {"--best", "tiny.json is a config"});
  expect_refused(work, {"tiny.json", "--probes", "0"}, 2, {"--probes is 0, expected at least 1"});
  expect_refused(work, {"tiny.json", "--exponents", "-1"}, 2, {"--exponents is -1"});
  expect_refused(work, {"tiny.json", "--length", "5000"}, 2, {"the validation split has", "give a smaller --length"});
  expect_refused(work, {"tiny.json", "--out", "text.txt"}, 2, {"--out text.txt: is no folder"});
  expect_refused(work, {"tiny.json", "--set", "model.positions=learned", "--set", "model.max_positions=16", "--length", "20",
                        "--probes", "1", "--out", "p"}, 2, {"this model knows positions 0 to 15"});
  EXPECT_FALSE(work.exists("p"));
  work.write("n.json", R"({"data": {"train": "text.txt", "tokenizer": "char"}, "model": {"architecture": "ngram", "order": 2}})");
  expect_refused(work, {"n.json"}, 2, {"n.json: model.architecture is \"ngram\"", "no gradients to probe"});
  ASSERT_EQ(work.run({"train", "n.json", "--out", "counted"}).code, 0);
  expect_refused(work, {"counted"}, 2, {"model.architecture is \"ngram\""});
  work.write("gone.json", tiny_config(2, R"(, "validation": "gone.txt")"));
  expect_refused(work, {"gone.json"}, 3, {"gone.txt"});
  EXPECT_EQ(work.run({"probe", "gone.json", "--vocabulary", "20", "--length", "16", "--probes", "1"}).code, 0);
}

}  // namespace
}  // namespace adder
