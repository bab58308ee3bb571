// adder export, as a person would: a run out, back in, and the text that both continue is the same.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/command_line.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

class CliExport : public testing::Test {
 protected:
  void SetUp() override {
    write_tiny_run(work);
    const Ran ran = work.run({"train", "tiny.json", "--out", "run", "--quiet"});
    ASSERT_EQ(ran.code, 0) << ran.err;
  }
  std::string continued(const std::string& model) const {
    const Ran ran = work.run({"generate", model, "--prompt", "a small ", "--tokens", "20", "--seed", "3"});
    EXPECT_EQ(ran.code, 0) << ran.err;
    return ran.out;
  }
  Workspace work;
};

TEST_F(CliExport, ThereAndBack) {
  const Ran out = work.run({"export", "run", "folder", "--json"});
  ASSERT_EQ(out.code, 0) << out.err;
  const json said = json::parse(out.out);
  EXPECT_EQ(said["format"], "mamba");
  EXPECT_EQ(said["dtype"], "float32");
  EXPECT_EQ(said["tokenizer"], "char");
  EXPECT_EQ(said["folder"], "folder");
  EXPECT_GT(said["tensors"], 10);
  for (const char* file : {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
                           "tokenizer_config.json"})
    EXPECT_TRUE(work.exists(std::string("folder/") + file)) << file;
  const Ran in = work.run({"import", "folder", "back.h5"});
  EXPECT_EQ(in.code, 0) << in.err;
  EXPECT_TRUE(has(in.out, "tokenizer char"));
  EXPECT_EQ(continued("back.h5"), continued("run"));
  ASSERT_EQ(work.run({"export", "back.h5", "again"}).code, 0);
  EXPECT_EQ(work.read("again/model.safetensors"), work.read("folder/model.safetensors"));
}

TEST_F(CliExport, SaysWhatItWrote) {
  const Ran half = work.run({"export", "run", "half", "--dtype", "bfloat16", "--format", "mamba"});
  EXPECT_EQ(half.code, 0) << half.err;
  EXPECT_TRUE(has(half.out, "half: mamba, "));
  EXPECT_TRUE(
      has(half.out, " tensors, bfloat16, tokenizer char, of run/checkpoints/step-00000006.h5 (step 6)"));
}

TEST_F(CliExport, RefusesBeforeItWrites) {
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& said) {
    std::vector<std::string> all = {"export", "run"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Ran ran = work.run(all);
    EXPECT_EQ(ran.code, 2) << ran.err;
    EXPECT_TRUE(has(ran.err, said));
  };
  const auto before = work.entries();
  refused({"out", "--format", "gpt2"}, "gpt2: model.architecture is \"mamba\", expected \"attention\"");
  refused({"out", "--format", "gguf"},
          "--format is \"gguf\", expected one of: mamba, mamba2, gpt2, llama, torch");
  refused({"out", "--dtype", "int8"}, "--dtype is \"int8\"");
  refused({"run"}, "is not empty");
  refused({"text.txt"}, "text.txt: is a file");
  EXPECT_EQ(work.entries(), before);
  EXPECT_EQ(work.run({"export", "nothing", "out"}).code, 3);
}

}  // namespace
}  // namespace adder
