// A text of known entropy, from config to the floor beside every loss.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/command_line.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

std::string config(const std::string& generated, const std::string& more_data = "") {
  return R"({"data": {"generated": {)" + generated + R"(, "train_tokens": 6000, "validation_tokens": 900})" + more_data + R"(},
    "model": {"architecture": "gru", "d_model": 8, "n_layers": 1},
    "training": {"steps": 4, "batch_size": 2, "context_length": 16},
    "logging": {"every": 2}, "evaluation": {"every": 2}})";
}

json last_evaluation(const Workspace& work, const std::string& run) {
  const std::string text = work.read(run + "/metrics.jsonl");
  return json::parse(text.substr(text.rfind("{\"step\"")));
}

TEST(CliGenerated, ShowsTheFloorBesideEveryLoss) {
  Workspace work;
  work.write("markov.json", config(R"("name": "markov", "symbols": 6, "order": 1)"));
  const Ran ran = work.run({"train", "markov.json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const char* said : {"the Markov chain of order 1 over 6 symbols", "ids, 6 ids",
                           "nats a token, the entropy rate of", ", floor 0.", ", excess 0."})
    EXPECT_TRUE(has(ran.err, said));
  EXPECT_TRUE(has(ran.out, "(floor 0."));
  const size_t rate = ran.err.find("floor       ") + 12;  // the rate stands beside the loss of each step, too
  EXPECT_TRUE(has(ran.err, "(floor " + ran.err.substr(rate, 6) + ")"));
  const json line = last_evaluation(work, "runs/markov");
  EXPECT_NEAR(double(line["eval/floor"]) + double(line["eval/excess"]), line["eval/loss"], 1e-12);
  EXPECT_GT(line["eval/excess_standard_error"], 0);
  EXPECT_FALSE(line.contains("eval/bits_per_byte"));  // ids stand for no text
  const Ran eval = work.run({"eval", "runs/markov", "--json"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  const json floor = json::parse(eval.out)["floor"];
  EXPECT_EQ(floor["loss"], line["eval/floor"]);
  EXPECT_EQ(floor["excess"], line["eval/excess"]);
  EXPECT_NEAR(double(floor["entropy_rate"]), double(floor["loss"]), 0.2);
  const Ran text = work.run({"eval", "runs/markov", "--split", "train", "--state", "carry"});
  for (const char* said : {"5,999 tokens", "what the Markov chain of order 1 over 6 symbols itself loses", "in the long run",
                           "standard error"})
    EXPECT_TRUE(has(text.out, said));
  work.write("own.txt", "1 2 3 4 5 0 1");
  const Ran other = work.run({"eval", "runs/markov", "--data", "own.txt", "--json"});
  ASSERT_EQ(other.code, 0) << other.err;
  EXPECT_FALSE(json::parse(other.out).contains("floor"));  // nobody knows where it is from
  const Ran generated = work.run({"generate", "runs/markov", "--prompt", "0 1", "--tokens", "3"});
  EXPECT_EQ(generated.code, 0) << generated.err;
  EXPECT_EQ(std::count(generated.out.begin(), generated.out.end(), ' '), 4);
}

TEST(CliGenerated, HiddenMarkovModelsHaveTheirOwnLossAsFloor) {
  Workspace work;
  work.write("hmm.json", config(R"("name": "hmm", "symbols": 4, "states": 3)"));
  const Ran ran = work.run({"train", "hmm.json", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.err, "the hidden Markov model of 3 states over 4 symbols itself on the validation tokens"));
  const json result = json::parse(ran.out);
  EXPECT_NEAR(double(result["eval_floor"]) + double(result["eval_excess"]), result["eval_loss"], 1e-12);
  const Ran resumed = work.run({"train", "hmm.json", "--resume", "--set", "training.steps=6"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  const Ran changed = work.run({"train", "hmm.json", "--resume", "--set", "data.generated.seed=5"});
  EXPECT_EQ(changed.code, 2);
  EXPECT_TRUE(has(changed.err, "data.generated.seed was 1, now 5"));
}

TEST(CliGenerated, IsExportedWithoutATokenizer) {
  Workspace work;
  std::string mamba = config(R"("name": "markov", "symbols": 6, "order": 1)");
  work.write("m.json", mamba.replace(mamba.find("gru"), 3, "mamba"));
  ASSERT_EQ(work.run({"train", "m.json", "--quiet"}).code, 0);
  const Ran ran = work.run({"export", "runs/m", "folder"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(work.exists("folder/model.safetensors"));
  EXPECT_FALSE(work.exists("folder/tokenizer.json"));
}

TEST(CliGenerated, RefusesWhatDoesNotGoTogether) {
  Workspace work;
  const auto refused = [&](const std::string& text, const std::vector<std::string>& words, int code = 2) {
    work.write("c.json", text);
    const Ran ran = work.run({"train", "c.json"});
    EXPECT_EQ(ran.code, code) << ran.err;
    for (const std::string& word : words) EXPECT_TRUE(has(ran.err, word));
    EXPECT_FALSE(work.exists("runs"));
  };
  const std::string markov = R"("name": "markov")";
  refused(config(markov, R"(, "train": "text.txt")"), {"c.json:1:", "data.train and data.generated are both given"});
  refused(config(markov, R"(, "tokenizer": "char")"), {"data.tokenizer and data.generated"});
  refused(config(R"("name": "markow")"), {"data.generated.name", "did you mean \"markov\"?"});
  refused(config(markov + R"(, "order": 12)"), {"data.generated.order"});
  refused(config(markov + R"(, "concentration": 0.01)"), {"data.generated.concentration", "at least 0.1"});
  refused(R"({"data": {}, "model": {"architecture": "gru"}})", {"data.train is missing", "data.generated"});
}

}  // namespace
}  // namespace adder
