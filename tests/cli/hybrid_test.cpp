// A hybrid through all of a run's life: trained, broken off, resumed, talking, and begun anew from its own config.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <filesystem>

#include "tests/support/metrics.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

constexpr char kHybrid[] = R"({"data": {"train": "text.txt"}, "logging": {"every": 1}, "checkpoint": {"every": 3},
    "model": {"architecture": "hybrid", "d_model": 8, "n_layers": 4, "blocks": [
        {"architecture": "mamba", "d_state": 3}, {"architecture": "attention", "n_heads": 2, "mlp": "gelu"}]},
    "training": {"steps": 6, "batch_size": 2, "context_length": 16}, "evaluation": {"every": 0}})";

TEST(CliHybrid, TrainsResumesTalksAndExportsItsConfig) {
  Workspace work;
  write_tiny_run(work);
  work.write("hybrid.json", kHybrid);
  ASSERT_EQ(work.run({"train", "hybrid.json", "--out", "run", "--quiet"}).code, 0);
  const auto whole = losses(work, "run");
  ASSERT_EQ(whole.size(), 6u);

  std::filesystem::remove(work.file("run/checkpoints/step-00000006.h5"));
  const Ran resumed = work.run({"train", "hybrid.json", "--out", "run", "--resume"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(has(resumed.err, "resumed"));
  EXPECT_EQ(losses(work, "run"), whole);

  const Ran spoken = work.run({"generate", "run", "--prompt", "In the", "--tokens", "9"});
  ASSERT_EQ(spoken.code, 0) << spoken.err;
  EXPECT_GE(spoken.out.size(), std::string("In the").size() + 9);

  const json blocks = json::parse(work.read("run/config.json"))["model"]["blocks"];
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[0]["architecture"], "mamba");
  EXPECT_EQ(blocks[1]["architecture"], "attention");
  ASSERT_EQ(work.run({"train", "run/config.json", "--out", "second", "--quiet"}).code, 0);
  EXPECT_EQ(losses(work, "second"), whole);
}

}  // namespace
}  // namespace adder
