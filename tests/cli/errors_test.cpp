// What goes wrong, how it is told, and that nothing is left behind.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/command_line.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
using namespace testing_cli;

// `adder train tiny.json …` fails with this code and these words, and writes nothing at all.
void expect_refused(const Workspace& work, const std::vector<std::string>& more, int code,
                    const std::vector<std::string>& words) {
  std::vector<std::string> arguments = {"train", "tiny.json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const auto before = work.entries();
  const Ran ran = work.run(arguments);
  EXPECT_EQ(ran.code, code) << ran.err;
  EXPECT_TRUE(ran.err.starts_with("adder: ")) << ran.err;
  for (const std::string& word : words) EXPECT_TRUE(has(ran.err, word));
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(work.entries(), before);
}

// The tiny config with one part of its text replaced.
std::string config_with(const std::string& part, const std::string& replacement) {
  std::string text = tiny_config(6);
  const size_t at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  return text.replace(at, part.size(), replacement);
}

TEST(CliErrors, ConfigMistakesNameThePlace) {
  Workspace work;
  write_tiny_run(work);
  work.write("tiny.json", config_with("\"d_state\": 4", "\"d_sate\": 4"));
  expect_refused(work, {}, 2, {"tiny.json:4:", "model.d_sate", "d_state"});
  work.write("tiny.json", config_with("\"steps\": 6", "\"steps\": \"six\""));
  expect_refused(work, {}, 2, {"tiny.json:6:", "training.steps", "string \"six\"", "integer"});
  work.write("tiny.json", config_with("0.01", "1e999"));
  expect_refused(work, {}, 2, {"tiny.json:5:", "1e999"});
  work.write("tiny.json", config_with("\"batch_size\": 2", "\"batch_size\": 2, \"steps\": 9"));
  expect_refused(work, {}, 2, {"tiny.json:6:", "steps"});
  work.write("tiny.json", config_with("\"batch_size\": 2", "\"batch_size\": 0"));
  expect_refused(work, {}, 2, {"training.batch_size", "at least 1"});
}

TEST(CliErrors, SettingsAreCheckedAsTheFileIs) {
  Workspace work;
  write_tiny_run(work);
  expect_refused(work, {"--set", "training.stepps=9"}, 2, {"--set training.stepps=9", "training.steps"});
  expect_refused(work, {"--set", "training.steps"}, 2, {"key.path=value"});
  expect_refused(work, {"--set", "model.architecture=mambo"}, 2, {"mambo", "mamba"});
}

TEST(CliErrors, MissingFiles) {
  Workspace work;
  expect_refused(work, {}, 2, {"tiny.json", "no such file"});
  write_tiny_run(work);
  fs::remove(work.file("text.txt"));
  expect_refused(work, {}, 3, {"text.txt", "data.train"});
}

TEST(CliErrors, TextTooSmall) {
  Workspace work;
  write_tiny_run(work);
  work.write("text.txt", "");
  expect_refused(work, {}, 3, {"data.train", "text.txt"});
  work.write("text.txt", "only a few words");
  expect_refused(work, {}, 3, {"context_length", "17"});
}

TEST(CliErrors, OutputFolders) {
  Workspace work;
  write_tiny_run(work);
  expect_refused(work, {"--out", "text.txt/run"}, 1, {"text.txt", "not a folder", "--out"});
  expect_refused(work, {"--out", "/proc/adder/run"}, 1, {"/proc/adder/run"});
  ASSERT_EQ(work.run({"train", "tiny.json", "--quiet"}).code, 0);
  expect_refused(work, {}, 2, {"runs/tiny", "--resume", "--out"});
}

TEST(CliErrors, DeviceThreadsAndSimd) {
  Workspace work;
  write_tiny_run(work);
  expect_refused(work, {"--device", "cuda"}, 2, {"cuda", "cpu"});
  expect_refused(work, {"--device", "tpu"}, 2, {"tpu", "cpu or cuda"});
  expect_refused(work, {"--threads", "-1"}, 2, {"--threads", "-1"});
  expect_refused(work, {"--threads", "many"}, 2, {"--threads", "many"});
  const Ran ran = work.run({"schema"}, {{"ADDER_SIMD", "nonsense"}});
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(has(ran.err, "nonsense"));
  EXPECT_TRUE(has(ran.err, "scalar"));
  EXPECT_EQ(ran.out, "");
}

TEST(CliErrors, Usage) {
  Workspace work;
  const auto refused = [&](const std::vector<std::string>& arguments, const std::vector<std::string>& words) {
    const Ran ran = work.run(arguments);
    EXPECT_EQ(ran.code, 2) << ran.err;
    EXPECT_TRUE(ran.err.starts_with("adder: ")) << ran.err;
    for (const std::string& word : words) EXPECT_TRUE(has(ran.err, word));
    EXPECT_EQ(ran.out, "");
  };
  refused({}, {"--help"});
  refused({"trian", "x.json"}, {"trian", "did you mean \"train\"?"});
  refused({"--nonsense"}, {"--nonsense"});
  refused({"train"}, {"CONFIG", "adder train --help"});
  refused({"train", "x.json", "--resum"}, {"--resum", "--resume"});
  refused({"generate", "runs/x", "--prompt", "a", "--tokens", "1e3"}, {"--tokens"});
  refused({"eval", "runs/x", "--data", "a", "--split", "test"}, {"--split", "--data"});
}

class CliTrained : public testing::Test {
 protected:
  void SetUp() override {
    write_tiny_run(work);
    const Ran ran = work.run({"train", "tiny.json", "--out", "run", "--quiet"});
    ASSERT_EQ(ran.code, 0) << ran.err;
  }
  // Each command that reads a checkpoint refuses this one.
  void expect_unreadable(const std::string& path, const std::vector<std::string>& words) {
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"inspect", path},
          {"eval", path},
          {"generate", path, "--prompt", "In"},
          {"trace", path, "--input", "text.txt", "--out", "t.h5"}}) {
      const Ran ran = work.run(arguments);
      EXPECT_EQ(ran.code, 3) << arguments[0] << ": " << ran.err;
      EXPECT_TRUE(has(ran.err, path));
      for (const std::string& word : words) EXPECT_TRUE(has(ran.err, word));
      EXPECT_EQ(ran.out, "");
      EXPECT_FALSE(work.exists("t.h5"));
    }
  }
  Workspace work;
  const std::string last = "run/checkpoints/step-00000006.h5";
};

TEST_F(CliTrained, TruncatedCheckpoint) {
  fs::copy(work.file(last), work.file("cut.h5"));
  fs::resize_file(work.file("cut.h5"), fs::file_size(work.file("cut.h5")) - 100);
  expect_unreadable("cut.h5", {"truncated"});
}

TEST_F(CliTrained, FlippedByte) {
  fs::copy(work.file(last), work.file("bad.h5"));
  flip_byte(work.file("bad.h5"), int64_t(fs::file_size(work.file("bad.h5")) / 2));
  expect_unreadable("bad.h5", {"damaged"});
}

TEST_F(CliTrained, NoCheckpointAtAll) {
  expect_unreadable("text.txt", {});
  expect_unreadable("absent.h5", {"no such file"});
}

TEST_F(CliTrained, DamagedLastOneIsNamedAndPassedOver) {
  flip_byte(work.file(last), int64_t(fs::file_size(work.file(last)) / 2));
  const Ran ran = work.run({"inspect", "run"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.err, "step-00000006.h5"));
  EXPECT_TRUE(has(ran.out, "step-00000004.h5"));
}

TEST_F(CliTrained, PromptsThatCannotBeRead) {
  const auto refused = [&](const std::string& prompt, const std::vector<std::string>& words) {
    const Ran ran = work.run({"generate", "run", "--prompt", prompt});
    EXPECT_EQ(ran.code, 2) << ran.err;
    for (const std::string& word : words) EXPECT_TRUE(has(ran.err, word));
    EXPECT_EQ(ran.out, "");
  };
  refused("In Zion", {"--prompt", "U+005A", "byte 3"});
  refused("", {"--prompt", "empty"});
  EXPECT_EQ(work.run({"generate", "run", "--prompt", "In", "--top-p", "0"}).code, 2);
  EXPECT_EQ(work.run({"generate", "run", "--prompt", "In", "--temperature", "-1"}).code, 2);
  EXPECT_EQ(work.run({"generate", "run", "--prompt", "In", "--seed", "-1"}).code, 2);
}

TEST_F(CliTrained, TokenizerOfTheWeightsDiffers) {
  fs::create_directory(work.file("other"));
  const std::string from = "initialize.from=run";
  // The same number of ids, but for other characters.
  std::string other = work.read("text.txt");
  for (char& c : other) c = c == 'w' ? 'W' : c;
  work.write("other.txt", other);
  expect_refused(work, {"--out", "new", "--set", from, "--set", "data.train=other.txt"}, 2,
                 {"data.tokenizer", "run/checkpoints", "initialize.from"});
  expect_refused(work, {"--out", "new", "--set", from, "--set", "data.tokenizer=byte"}, 2,
                 {"256 ids", "vocabulary", "initialize.from"});
  expect_refused(work, {"--out", "new", "--set", from, "--set", "model.d_model=16"}, 2,
                 {"model.d_model", "16", "initialize.from", "8"});
  expect_refused(work, {"--out", "new", "--set", "initialize.from=absent"}, 3, {"initialize.from", "absent"});
}

TEST_F(CliTrained, ResumeRefusesAnotherConfigOrOtherData) {
  const std::vector<std::string> resume = {"--out", "run", "--resume"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = resume;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const std::string metrics = work.read("run/metrics.jsonl"), config = work.read("run/config.json");
  expect_refused(work, with({"--set", "optimizer.learning_rate=0.5", "--set", "training.steps=9"}), 2,
                 {"optimizer.learning_rate was 0.01, now 0.5"});
  work.write("text.txt", work.read("text.txt") + "beginning");
  expect_refused(work, with({"--set", "training.steps=9"}), 2, {"other data"});
  EXPECT_EQ(work.read("run/metrics.jsonl"), metrics);
  EXPECT_EQ(work.read("run/config.json"), config);
}

TEST_F(CliTrained, FullDiskIsNoSuccess) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "this machine has no /dev/full";
  const std::string command = std::string(ADDER_BINARY) + " schema > /dev/full 2> " + work.file("err.txt");
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 1);
  EXPECT_TRUE(has(work.read("err.txt"), "standard output"));
}

}  // namespace
}  // namespace adder
