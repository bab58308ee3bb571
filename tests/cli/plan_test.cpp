// adder plan: what it says of a run, and that it leaves nothing.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/command_line.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

TEST(CliPlan, TellsParametersMemoryAndTimeAndWritesNothing) {
  Workspace work;
  write_tiny_run(work);
  const auto before = work.entries();
  const Ran ran = work.run({"plan", "tiny.json", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(work.entries(), before);
  const json plan = json::parse(ran.out);
  EXPECT_EQ(plan["architecture"], "mamba");
  EXPECT_EQ(plan["steps"], 6);
  EXPECT_GT(plan["parameters"], 1000);
  EXPECT_GT(plan["flops_per_step"], 0);
  EXPECT_TRUE(plan["fits"]);
  EXPECT_GT(plan["seconds_per_step"], 0);
  for (const char* key : {"weights", "gradients", "optimizer", "activations", "step_peak", "peak", "held", "available"})
    EXPECT_GT(plan["memory"][key], 0) << key;
  const Ran text = work.run({"plan", "tiny.json"});
  ASSERT_EQ(text.code, 0) << text.err;
  for (const char* said : {"parameters", "FLOP a token", "activations", "at the peak of a step", "tokens/s"})
    EXPECT_TRUE(has(text.out, said));
}

TEST(CliPlan, NeedsNoDataWhereTheVocabularyIsGiven) {
  Workspace work;
  work.write("far.json", R"({"data": {"train": "nowhere.txt", "tokenizer": "char"}, "model": {"architecture": "gru"}})");
  const Ran without = work.run({"plan", "far.json"});
  EXPECT_EQ(without.code, 3);
  EXPECT_TRUE(has(without.err, "--vocabulary"));
  const Ran with = work.run({"plan", "far.json", "--vocabulary", "65", "--no-time", "--json"});
  ASSERT_EQ(with.code, 0) << with.err;
  EXPECT_EQ(json::parse(with.out)["vocabulary"], 65);
  EXPECT_FALSE(json::parse(with.out).contains("seconds"));
}

TEST(CliPlan, RefusesAModelThatCounts) {
  Workspace work;
  work.write("counts.json", R"({"data": {"train": "nowhere.txt"}, "model": {"architecture": "ngram"}})");
  const Ran ran = work.run({"plan", "counts.json", "--vocabulary", "65"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(has(ran.err, "counts"));
}

TEST(CliPlan, AModelBeyondThisMachineIsCountedAndNotTried) {
  Workspace work;
  write_tiny_run(work);
  const Ran ran = work.run({"plan", "tiny.json", "--set", "model.d_model=16384", "--set", "model.n_layers=200", "--set",
                            "training.context_length=64", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json plan = json::parse(ran.out);
  EXPECT_FALSE(plan["fits"]);
  EXPECT_GT(plan["memory"]["weights"], int64_t(1) << 40);
  EXPECT_FALSE(plan.contains("seconds_per_step"));
}

}  // namespace
}  // namespace adder
