// --cache bf16: attention's keys and values in half of the bytes, where a model has them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/metrics.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

std::string config_of(const std::string& model) {
  return R"({"data": {"train": "text.txt"}, "model": {"d_model": 8, "n_layers": 2, )" + model +
         R"(}, "training": {"steps": 6, "batch_size": 2, "context_length": 16}, "evaluation": {"every": 0}})";
}

class CliCache : public ::testing::Test {
 protected:
  void SetUp() override {
    write_tiny_run(work);
    work.write("gpt.json", config_of(R"("architecture": "attention", "n_heads": 2)"));
    work.write("gru.json", config_of(R"("architecture": "gru")"));
    for (const std::string name : {"gpt", "gru"}) ASSERT_EQ(work.run({"train", name + ".json", "--out", name, "--quiet"}).code, 0);
  }
  void refuses(const std::vector<std::string>& command, const std::string& text) {
    const Ran ran = work.run(command);
    EXPECT_EQ(ran.code, 2) << ran.err;
    EXPECT_TRUE(has(ran.err, text)) << ran.err;
  }
  json json_of(std::vector<std::string> command) {
    command.push_back("--json");
    const Ran ran = work.run(command);
    EXPECT_EQ(ran.code, 0) << ran.err;
    return json::parse(ran.out);
  }
  Workspace work;
};

TEST_F(CliCache, GeneratesScoresAndIsTimed) {
  const std::vector<std::string> generate = {"generate", "gpt", "--prompt", "In the", "--tokens", "20", "--cache", "bf16"};
  const Ran one = work.run(generate), two = work.run(generate);
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(one.out, two.out);
  EXPECT_GE(one.out.size(), std::string("In the").size() + 20);
  std::vector<std::string> several = generate;
  several.insert(several.end(), {"--samples", "2", "--precision", "bf16"});
  EXPECT_EQ(work.run(several).code, 0);
  EXPECT_EQ(json_of(generate)["cache"], "bf16");
  const json rounded = json_of({"eval", "gpt", "--cache", "bf16"}), exact = json_of({"eval", "gpt"});
  EXPECT_EQ(rounded["cache"], "bf16");
  EXPECT_FALSE(exact.contains("cache"));
  EXPECT_NE(rounded["loss"], exact["loss"]);
  EXPECT_NEAR(double(rounded["loss"]), double(exact["loss"]), 1e-2);
  EXPECT_TRUE(has(work.run({"eval", "gpt", "--cache", "bf16"}).out, "keys and values in bfloat16"));
  const json model = json_of({"bench", "gpt.json", "--seconds", "0.001", "--cache", "bf16"})["models"][0];
  EXPECT_GT(model["decode_tokens_per_second"], 0);
  EXPECT_EQ(model["cache"], "bf16");
}

TEST_F(CliCache, ATaskIsScoredSo) {
  work.write("recall.json", R"({"data": {"task": {"name": "copy_memory", "length": 16}}, "model": {"architecture": "attention", "d_model": 8,
      "n_layers": 2, "n_heads": 2}, "training": {"steps": 3, "batch_size": 2}, "evaluation": {"every": 0}})");
  const Ran trained = work.run({"train", "recall.json", "--out", "recall", "--quiet"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const double rounded = json_of({"eval", "recall", "--cache", "bf16"})["lengths"][0]["loss"];
  const double exact = json_of({"eval", "recall"})["lengths"][0]["loss"];
  EXPECT_NE(rounded, exact);
  EXPECT_NEAR(rounded, exact, 1e-2);
}

TEST_F(CliCache, SaysWhyNot) {
  const std::vector<std::string> generate = {"generate", "gpt", "--prompt", "In", "--cache"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = generate;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  refuses(with({"f16"}), "--cache is \"f16\", expected bf16");
  refuses(with({"bf16", "--precision", "float64"}), "computes in float64, expected float32 (or bf16) with --cache bf16");
  refuses({"generate", "gru", "--prompt", "In", "--cache", "bf16"}, "has no attention");
  refuses({"eval", "gru", "--cache", "bf16"}, "has no attention");
  refuses({"bench", "gru.json", "--seconds", "0.001", "--cache", "bf16"}, "gru.json: has no attention");
  const Ran early = work.run({"bench", "gpt.json", "--cache", "f16"});
  EXPECT_EQ(early.code, 2);
  EXPECT_EQ(early.out, "");
  refuses({"bench", "matmul", "--cache", "bf16"}, "--set, --vocabulary and --cache say how a config's model is run");
}

}  // namespace
}  // namespace adder
