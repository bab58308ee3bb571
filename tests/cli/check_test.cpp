// adder check, and adder generate with several prompts.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/command_line.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

constexpr char kModel[] = R"({"model": {"architecture": "mamba", "d_model": 6, "n_layers": 1}})";

// ---- check ----------------------------------------------------------------------------------------------

TEST(CliCheck, AConfig) {
  const Workspace work;
  work.write("small.json", kModel);
  const Ran ran = work.run({"check", "small.json"});
  EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
  for (const char* said :
       {"SIMD", "mamba, d_model 6, 1 layers", "full == chunks + steps", "gradients == differences",
        "(limit 1e-10)", "threads ran: same bits", "all 10 checks ok"})
    EXPECT_TRUE(has(ran.out, said));
  EXPECT_EQ(ran.err, "");
}

TEST(CliCheck, AsJson) {
  const Workspace work;
  work.write("small.json", kModel);
  const Ran ran = work.run(
      {"check", "small.json", "--set", "model.d_model=5", "--only", "row", "--only", "memory", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json result = json::parse(ran.out);
  EXPECT_EQ(result["ok"], true);
  ASSERT_EQ(result["models"].size(), 1u);
  ASSERT_EQ(result["models"][0]["checks"].size(), 2u);
  EXPECT_EQ(result["models"][0]["checks"][0]["name"], "batch row == row alone");
  EXPECT_TRUE(has(result["models"][0]["checks"][1]["measured"], "limit 2.2"));
  EXPECT_FALSE(result["simd_targets"].empty());
  EXPECT_GE(result["threads"], 1);
}

TEST(CliCheck, EachArchitectureWithoutAConfig) {
  const Workspace work;
  const Ran all = work.run({"check", "--only", "batch row"});
  EXPECT_EQ(all.code, 0) << all.out << all.err;
  EXPECT_TRUE(has(all.out, "mamba, d_model 16, 2 layers"));
  const Ran one = work.run({"check", "--only", "mamba", "--only", "batch row", "--json"});
  ASSERT_EQ(one.code, 0) << one.err;
  const json result = json::parse(one.out);
  ASSERT_EQ(result["models"].size(), 1u);
  EXPECT_EQ(result["models"][0]["name"], "mamba");
  EXPECT_EQ(result["models"][0]["checks"].size(), 1u);
}

TEST(CliCheck, Refusals) {
  const Workspace work;
  work.write("small.json", kModel);
  const Ran word = work.run({"check", "small.json", "--only", "speed"});
  EXPECT_EQ(word.code, 2);
  EXPECT_TRUE(has(word.err, "no check's name contains \"speed\""));
  EXPECT_EQ(work.run({"check", "absent.json"}).code, 2);
  EXPECT_EQ(work.run({"check", "--set", "model.d_model=3"}).code, 2);
  EXPECT_TRUE(has(work.run({"check", "--help"}).out, "Example: adder check"));
}

// A norm that divides by 1e150 leaves next to nothing to differentiate.
TEST(CliCheck, AFailureExitsWith5) {
  const Workspace work;
  work.write("tiny.json", R"({"model": {"architecture": "mamba", "d_model": 6, "n_layers": 1, "dropout": 0.5,
                                        "norm_eps": 1e300}})");
  const Ran ran = work.run({"check", "tiny.json", "--only", "gradients"});
  EXPECT_EQ(ran.code, 5) << ran.out << ran.err;
  EXPECT_TRUE(has(ran.out, "FAILED"));
  EXPECT_TRUE(has(ran.out, "1 of 1 checks FAILED"));
}

// ---- generate -------------------------------------------------------------------------------------------

class CliPrompts : public testing::Test {
 protected:
  void SetUp() override {
    write_tiny_run(work);
    const Ran ran = work.run({"train", "tiny.json", "--out", "run", "--quiet"});
    ASSERT_EQ(ran.code, 0) << ran.err;
  }
  Ran generate(const std::vector<std::string>& more, const std::string& input = "") {
    std::vector<std::string> command = {"generate", "run", "--tokens", "15"};
    command.insert(command.end(), more.begin(), more.end());
    return work.run(command, {}, input);
  }
  static std::vector<json> lines_of(const Ran& ran) {
    EXPECT_EQ(ran.code, 0) << ran.err;
    std::vector<json> lines;
    std::istringstream text(ran.out);
    for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line));
    return lines;
  }
  Workspace work;
};

TEST_F(CliPrompts, SeveralAreTheirSingleRuns) {
  const std::string one = generate({"--prompt", "In the"}).out, two = generate({"--prompt", "was a s"}).out;
  EXPECT_EQ(generate({"--prompt", "In the", "--prompt", "was a s"}).out,
            "==> 1 of 2\n" + one + "\n\n==> 2 of 2\n" + two + "\n");
  const auto lines = lines_of(generate({"--prompt", "In the", "--prompt", "was a s", "--json"}));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], json::parse(generate({"--prompt", "In the", "--json"}).out));
  EXPECT_EQ(lines[1], json::parse(generate({"--prompt", "was a s", "--json"}).out));
}

TEST_F(CliPrompts, SamplesCountTheSeedUp) {
  const auto lines = lines_of(generate({"--prompt", "In", "--samples", "3", "--seed", "7", "--json"}));
  ASSERT_EQ(lines.size(), 3u);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(lines[size_t(i)],
              json::parse(generate({"--prompt", "In", "--seed", std::to_string(7 + i), "--json"}).out));
  EXPECT_NE(lines[0]["text"], lines[1]["text"]);
  EXPECT_TRUE(
      has(generate({"--prompt", "In", "--samples", "2", "--seed", "7"}).out, "==> 2 of 2, seed 8\nIn"));
}

TEST_F(CliPrompts, ComeFromAFile) {
  work.write("prompts.txt", "In the\r\nwas a s");
  const auto lines = lines_of(generate({"--prompts", "prompts.txt", "--json"}));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["prompt"], "In the");
  EXPECT_EQ(lines[1], json::parse(generate({"--prompt", "was a s", "--json"}).out));
  EXPECT_EQ(lines_of(generate({"--prompts", "-", "--json"}, "In the\n")).size(), 1u);
  std::string many;
  for (int i = 0; i < 70; ++i) many += i % 2 ? "In\n" : "was\n";
  work.write("many.txt", many);
  const auto all = lines_of(generate({"--prompts", "many.txt", "--json"}));
  ASSERT_EQ(all.size(), 70u);
  EXPECT_EQ(all[69], all[1]);
}

TEST_F(CliPrompts, ErrorsNameTheLine) {
  const auto refused = [&](const std::string& content, int code, const std::string& said) {
    work.write("p.txt", content);
    const Ran ran = generate({"--prompts", "p.txt"});
    EXPECT_EQ(ran.code, code) << ran.err;
    EXPECT_TRUE(has(ran.err, said));
    EXPECT_EQ(ran.out, "");
  };
  refused("In\n\nwas\n", 3, "p.txt:2: the line is empty");
  refused(
      "In\nw\xff"
      "a\n",
      3, "p.txt:2: byte 1 of the line is no UTF-8");
  refused("In\nIn \xe2\x82\xac\n", 2, "p.txt:2: ");  // a character that the text never had
  refused("", 3, "p.txt: is empty");
  EXPECT_EQ(generate({"--prompts", "absent.txt"}).code, 3);
  EXPECT_EQ(generate({"--prompts", "p.txt", "--prompt", "In"}).code, 2);
  EXPECT_EQ(generate({}).code, 2);
  EXPECT_TRUE(has(generate({}).err, "there is no prompt"));
  EXPECT_EQ(generate({"--prompt", "In", "--samples", "0"}).code, 2);
  EXPECT_EQ(generate({"--prompt", "In", "--prompt", "-"}).code, 2);
  EXPECT_TRUE(has(generate({"--prompt", "In", "--prompt", ""}).err, "--prompt 2 is empty"));
}

}  // namespace
}  // namespace adder
