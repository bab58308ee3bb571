// adder probe CONFIG --coordinates.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/command_line.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

void write_config(const Workspace& work, const std::string& name, const std::string& more) {
  work.write(name, R"({"data": {"train": "text.txt", "tokenizer": "char"}, "optimizer": {"learning_rate": 2e-3},
                       "training": {"context_length": 16},
                       "model": {"architecture": "attention", "d_model": 16, "n_heads": 2, "n_layers": 1)" + more + "}}");
}

const std::vector<std::string> kSmall = {"--coordinates", "--widths", "16,32,64", "--seeds", "2", "--steps", "2", "--probes", "2"};

Ran probe(const Workspace& work, const std::string& config, const std::vector<std::string>& more = {}) {
  std::vector<std::string> command = {"probe", config};
  command.insert(command.end(), kSmall.begin(), kSmall.end());
  command.insert(command.end(), more.begin(), more.end());
  return work.run(command);
}

TEST(CliCoordinates, PassOrFail) {
  const Workspace work;
  write_tiny_run(work);
  write_config(work, "mup.json", R"(, "parametrisation": "mup", "base_width": 16)");
  write_config(work, "plain.json", "");
  const Ran passed = probe(work, "mup.json");
  EXPECT_EQ(passed.code, 0) << passed.err << passed.out;
  for (const char* said : {"mup, base width 16", "adamw, learning rate 0.002", "layers.0", "logits", "change", "\npass: ", "the bound is 0.1"})
    EXPECT_TRUE(has(passed.out, said));
  const Ran failed = probe(work, "plain.json", {"--json", "--out", "p"});
  EXPECT_EQ(failed.code, 5) << failed.err;
  const json result = json::parse(failed.out);
  EXPECT_EQ(result["passed"], false);
  EXPECT_EQ(result["widths"], json::array({16, 32, 64}));
  EXPECT_EQ(result["fits"][0]["sizes"].size(), 3u);
  EXPECT_EQ(json::parse(work.read("p/coordinates.json")), result);
  EXPECT_TRUE(has(work.read("p/report.html"), "Does the width change what a step does?"));
}

TEST(CliCoordinates, Refusals) {
  const Workspace work;
  write_tiny_run(work, 2);
  write_config(work, "mup.json", R"(, "parametrisation": "mup", "base_width": 16)");
  const auto refused = [&](const std::vector<std::string>& command, const std::string& said) {
    const Ran ran = work.run(command);
    EXPECT_EQ(ran.code, 2) << ran.err;
    EXPECT_TRUE(has(ran.err, said));
  };
  refused({"probe", "mup.json", "--widths", "16,32"}, "--coordinates");
  refused({"probe", "mup.json", "--coordinates", "--widths", "16"}, "--widths names 1 width");
  refused({"probe", "mup.json", "--coordinates", "--widths", "32,16"}, "--widths has 16 at place 2");
  refused({"probe", "mup.json", "--coordinates", "--seeds", "0"}, "--seeds is 0");
  refused({"probe", "mup.json", "--coordinates", "--steps", "0"}, "--steps is 0");
  refused({"probe", "mup.json", "mup.json", "--coordinates"}, "--coordinates takes one config, found 2 paths");
  refused({"probe", "run", "--coordinates"}, "needs a config, CONFIG.json");
}

}  // namespace
}  // namespace adder
