// adder train --profile: which rows there are, and that they add up.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/command_line.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

TEST(CliProfile, RowsOfAStepAddUpToIt) {
  Workspace work;
  write_tiny_run(work);
  const Ran ran = work.run({"train", "tiny.json", "--quiet", "--json", "--profile"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json profile = json::parse(ran.out)["profile"];
  EXPECT_EQ(profile["steps"], 5);  // of six, the first is forgotten
  EXPECT_GT(profile["peak"]["flops"], 0);
  double sum = 0;
  std::set<std::string> seen;
  for (const json& op : profile["ops"]) {
    seen.insert(op["op"]);
    for (const char* way : {"forward", "backward"})
      if (op.contains(way)) sum += double(op[way]["seconds"]);
  }
  EXPECT_NEAR(sum, double(profile["seconds"]), 1e-9);
  for (const char* op : {"data", "embedding", "linear", "selective_scan", "cross_entropy", "clip", "optimizer", "other"})
    EXPECT_TRUE(seen.contains(op)) << op;
}

TEST(CliProfile, TheRunNeedsTheMemoryThatWasPlanned) {
  Workspace work;
  write_tiny_run(work);
  const Ran ran = work.run({"train", "tiny.json", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json result = json::parse(ran.out);
  const double planned = result["planned_peak_bytes"], measured = result["peak_bytes"];
  EXPECT_NEAR(planned, measured, 0.1 * measured);
  EXPECT_TRUE(has(ran.err, "of tensors at the peak of a step"));
}

TEST(CliProfile, IsATableForPeopleAndAbsentUnlessAskedFor) {
  Workspace work;
  write_tiny_run(work);
  const Ran with = work.run({"train", "tiny.json", "--quiet", "--profile"});
  ASSERT_EQ(with.code, 0) << with.err;
  for (const char* said : {"time by op, means of 5 steps", "backward ms", "% of limit", "selective_scan", "GFLOP/s", "a step takes"})
    EXPECT_TRUE(has(with.out, said));
  const Ran without = work.run({"train", "tiny.json", "--quiet", "--json", "--out", "runs/other"});
  ASSERT_EQ(without.code, 0) << without.err;
  EXPECT_FALSE(json::parse(without.out).contains("profile"));
}

}  // namespace
}  // namespace adder
