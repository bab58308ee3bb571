// adder bench: that it runs, and the shape of what it says. Never a speed.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/command_line.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

TEST(CliBench, KernelsAndModelsAsJson) {
  Workspace work;
  const Ran ran = work.run({"bench", "rms_norm/forward 2048x384", "--seconds", "0.001", "--threads", "1", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json result = json::parse(ran.out);
  EXPECT_TRUE(result["ok"]);
  EXPECT_EQ(result["peak"]["threads"], 1);
  for (const char* limit : {"flops", "exps", "read", "copy", "triad"}) EXPECT_GT(result["peak"][limit], 0) << limit;
  ASSERT_EQ(result["kernels"].size(), 1u);
  const json kernel = result["kernels"][0];
  EXPECT_TRUE(kernel["check"]);
  EXPECT_EQ(kernel["limit"], "B");
  EXPECT_GT(kernel["seconds"], 0);
  EXPECT_GT(kernel["share"], 0);
  EXPECT_GT(kernel["flops_per_second"], 0);
  EXPECT_TRUE(result["models"].empty());
}

TEST(CliBench, AConfigOnRandomTokens) {
  Workspace work;
  write_tiny_run(work);
  const Ran ran = work.run({"bench", "tiny.json", "--seconds", "0.001", "--vocabulary", "40", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json result = json::parse(ran.out);
  EXPECT_TRUE(result["kernels"].empty());
  ASSERT_EQ(result["models"].size(), 1u);
  const json model = result["models"][0];
  EXPECT_EQ(model["name"], "tiny.json");
  for (const char* figure : {"train_tokens_per_second", "decode_tokens_per_second", "seconds_per_step", "share", "flops_per_step",
                             "step_memory"})
    EXPECT_GT(model[figure], 0) << figure;
  const Ran text = work.run({"bench", "tiny.json", "--seconds", "0.001", "--vocabulary", "40"});
  ASSERT_EQ(text.code, 0) << text.err;
  for (const char* said : {"GFLOP/s", "Gexp/s", "triad", "tokens/s in training", "tokens/s decoding"})
    EXPECT_TRUE(has(text.out, said));
}

#ifndef ADDER_ASAN  // there freed memory is kept aside
TEST(CliBench, AStepsMemoryIsThatOfEachModelByItself) {
  Workspace work;
  const Ran ran = work.run({"bench", "model/gru", "model/lstm", "--seconds", "0.001", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json models = json::parse(ran.out)["models"];
  ASSERT_EQ(models.size(), 2u);
  for (const json& model : models)  // a gradient and two moments of each parameter, 4 bytes each, beside the activations
    EXPECT_GT(model["step_memory"], 12 * model["parameters"].get<int64_t>()) << model["name"];
}
#endif

TEST(CliBench, AWordThatFitsNothingListsWhatThereIs) {
  Workspace work;
  const Ran ran = work.run({"bench", "mathmul"});
  EXPECT_EQ(ran.code, 2);
  for (const char* said : {"no benchmark's name contains \"mathmul\"", "matmul/NT 64x512x128", "model/mamba"})
    EXPECT_TRUE(has(ran.err, said));
  EXPECT_EQ(work.run({"bench", "matmul", "--vocabulary", "40"}).code, 2);
}

}  // namespace
}  // namespace adder
