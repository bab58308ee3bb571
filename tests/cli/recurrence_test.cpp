// model.recurrence on the command line: what a solver tells of itself reaches metrics and user.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/command_line.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

TEST(CliRecurrence, IterationsStandInTheMetrics) {
  Workspace work;
  work.write("text.txt", std::string(2000, 'a') + "bcdefgh and so on");
  work.write("gru.json", R"({"data": {"train": "text.txt"}, "logging": {"every": 1},
      "model": {"architecture": "gru", "d_model": 8, "n_layers": 2, "recurrence": "deer"},
      "training": {"steps": 3, "batch_size": 2, "context_length": 16}})");
  const Ran ran = work.run({"train", "gru.json", "--out", "run", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(json::parse(ran.out).contains("deer/iterations"));
  EXPECT_FALSE(has(ran.err, "warning"));
  const std::string metrics = work.read("run/metrics.jsonl"), first = metrics.substr(0, metrics.find('\n'));
  const json line = json::parse(first);
  EXPECT_EQ(line["deer/fallbacks"], 0);
  EXPECT_LE(line["deer/residual"], 1e-6);
  const Ran few = work.run({"train", "gru.json", "--set", "model.deer_max_iterations=1", "--out", "few"});
  ASSERT_EQ(few.code, 0) << few.err;
  const size_t at = few.err.find("run step by step");
  ASSERT_NE(at, std::string::npos) << few.err;
  EXPECT_EQ(few.err.find("run step by step", at + 1), std::string::npos) << "said once";
}

}  // namespace
}  // namespace adder
