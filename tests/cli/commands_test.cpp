// What each command prints: from text to a trained model, and all that can be asked of it.
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "framework/cli/open_model.h"
#include "framework/data/hdf5.h"
#include "tests/models/model_support.h"
#include "tests/support/command_line.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
using namespace testing_cli;
using nlohmann::json;

TEST(CliCommands, HelpOfEach) {
  Workspace work;
  const Ran all = work.run({"--help"});
  EXPECT_EQ(all.code, 0);
  EXPECT_TRUE(has(all.out, "Exit codes"));
  for (const char* name : {"train", "eval", "generate", "inspect", "trace", "import", "schema"}) {
    EXPECT_TRUE(has(all.out, name));
    const Ran ran = work.run({name, "--help"});
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_TRUE(has(ran.out, std::string("Usage: adder ") + name));
    EXPECT_EQ(ran.err, "");
  }
  const std::string train = work.run({"train", "--help"}).out;
  for (const char* option :
       {"CONFIG", "--set", "--out", "--resume", "--threads", "--device", "--quiet", "--json"})
    EXPECT_TRUE(has(train, option));
}

TEST(CliCommands, Version) {
  const Ran ran = Workspace().run({"--version"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_TRUE(ran.out.starts_with("adder 0.")) << ran.out;
  EXPECT_TRUE(has(ran.out, "commit "));
}

TEST(CliCommands, Schema) {
  Workspace work;
  const json schema = json::parse(work.run({"schema"}).out);
  EXPECT_TRUE(has(schema["$schema"], "draft-07"));
  EXPECT_TRUE(schema["properties"].contains("training"));
  const Ran markdown = work.run({"schema", "--markdown"});
  EXPECT_EQ(markdown.code, 0);
  EXPECT_TRUE(has(markdown.out, "learning_rate"));
  EXPECT_TRUE(has(markdown.out, "|"));
}

class CliModel : public testing::Test {
 protected:
  void SetUp() override {
    write_tiny_run(work);
    const Ran ran = work.run({"train", "tiny.json", "--out", "run", "--json", "--quiet"});
    ASSERT_EQ(ran.code, 0) << ran.err;
    trained = json::parse(ran.out);
  }
  json json_of(std::vector<std::string> arguments) {
    arguments.push_back("--json");
    const Ran ran = work.run(arguments);
    EXPECT_EQ(ran.code, 0) << ran.err;
    return json::parse(ran.out, nullptr, false);
  }
  Workspace work;
  json trained;
};

TEST_F(CliModel, EvalRepeatsTheEvaluationOfTraining) {
  const json result = json_of({"eval", "run", "--by-position"});
  EXPECT_EQ(result["loss"], trained["eval_loss"]);
  EXPECT_EQ(result["step"], 6);
  EXPECT_EQ(result["window"], 16);
  EXPECT_EQ(result["stride"], 16);
  EXPECT_EQ(result["bytes"], result["tokens"]);
  ASSERT_EQ(result["by_position"].size(), 16u);
  double nats = 0;
  int64_t count = 0;
  for (const json& row : result["by_position"]) {
    nats += double(row["loss"]) * double(row["count"]);
    count += int64_t(row["count"]);
  }
  EXPECT_EQ(count, result["tokens"]);
  EXPECT_NEAR(nats / double(count), result["loss"], 1e-9);
}

TEST_F(CliModel, EvalOfOtherTextsAndWindows) {
  work.write("more.txt", "a small model and it was small");
  const json file = json_of({"eval", "run", "--data", "more.txt", "--window", "8", "--stride", "2"});
  EXPECT_EQ(file["text"], "more.txt");
  EXPECT_EQ(file["tokens"], 29);  // of 30
  EXPECT_EQ(file["stride"], 2);
  const json train = json_of({"eval", "run", "--split", "train"});
  EXPECT_GT(train["tokens"], json_of({"eval", "run", "--best"})["tokens"]);
  const Ran text = work.run({"eval", "run", "--by-position"});
  for (const char* said : {"step-00000006.h5", "validation split", "windows", "nats a token", "perplexity",
                           "bits a byte", "position"})
    EXPECT_TRUE(has(text.out, said));
  const Ran none = work.run({"eval", "run", "--split", "test"});
  EXPECT_EQ(none.code, 2);
  EXPECT_TRUE(has(none.err, "no test split"));
  EXPECT_EQ(work.run({"eval", "run", "--window", "4", "--stride", "5"}).code, 2);
  EXPECT_EQ(work.run({"eval", "run", "--data", "absent.txt"}).code, 3);
}

TEST_F(CliModel, EvalSaysWhenTheTextChanged) {
  work.write("text.txt", work.read("text.txt") + "beginning");
  const Ran ran = work.run({"eval", "run"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_TRUE(has(ran.err, "warning: the text has changed"));
}

TEST_F(CliModel, GenerateRepeatsItself) {
  const std::vector<std::string> command = {"generate", "run", "--prompt", "In the",
                                            "--tokens", "20",  "--seed",   "7"};
  const Ran one = work.run(command), two = work.run(command);
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(one.out, two.out);
  EXPECT_EQ(one.err, "");
  EXPECT_TRUE(one.out.starts_with("In the")) << one.out;
  EXPECT_EQ(one.out.size(), 26u);
  const json result = json_of(command);
  EXPECT_EQ("In the" + std::string(result["text"]), one.out);
  EXPECT_EQ(result["tokens"].size(), 20u);
  const json other = json_of({"generate", "run", "--prompt", "In the", "--tokens", "20", "--seed", "8"});
  EXPECT_NE(other["text"], result["text"]);
  const json greedy = json_of({"generate", "run", "--prompt", "In", "--tokens", "5", "--temperature", "0"});
  EXPECT_EQ(greedy["text"],
            json_of({"generate", "run", "--prompt", "In", "--tokens", "5", "--top-k", "1"})["text"]);
}

TEST_F(CliModel, GenerateInAnotherPrecision) {
  const auto tokens = [&](const std::string& precision) {
    return json_of({"generate", "run", "--prompt", "In", "--tokens", "20", "--precision", precision})["tokens"];
  };
  EXPECT_EQ(tokens("float32"), json_of({"generate", "run", "--prompt", "In", "--tokens", "20"})["tokens"]);
  EXPECT_EQ(tokens("bf16").size(), 20u);
  EXPECT_EQ(tokens("float64").size(), 20u);
  const LoadedModel loaded = open_model_in_bf16({work.file("run")}, model_registry());
  const ParameterList& parameters = loaded.model->parameters();
  EXPECT_TRUE(parameters.find("blocks.0.mixer.in_proj.weight")->value.multiplies_in_bf16());
  EXPECT_FALSE(parameters.find("blocks.0.norm.weight")->value.multiplies_in_bf16());
  const LoadedModel plain = load_model(loaded.path, model_registry());
  for (size_t i = 0; i < parameters.size(); ++i) EXPECT_EQ(bits(parameters[i].value), bits(plain.model->parameters()[i].value));
  const Ran ran = work.run({"generate", "run", "--prompt", "In", "--precision", "half"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(has(ran.err, "--precision is \"half\", expected float32, float64 or bf16")) << ran.err;
}

TEST_F(CliModel, GenerateReadsThePromptFromStdin) {
  const Ran ran = work.run({"generate", "run", "--prompt", "-", "--tokens", "3"}, {}, "was a");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(ran.out.starts_with("was a"));
  EXPECT_EQ(ran.out.size(), 8u);
  EXPECT_EQ(work.run({"generate", "run", "--prompt", "-"}).code, 2);  // nothing there
}

TEST_F(CliModel, GenerateEndsAtCtrlC) {
  const pid_t child = work.start({"generate", "run", "--prompt", "In", "--tokens", "100000000"});
  const std::string stream = work.path() + ".stream.out";
  for (int i = 0; i < 15000 && (!fs::exists(stream) || fs::file_size(stream) < 10); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  kill(child, SIGINT);
  const Ran ran = work.finish(child);
  EXPECT_EQ(ran.code, 130) << ran.err;
  EXPECT_GT(ran.out.size(), 9u);
  EXPECT_EQ(ran.err, "");
}

TEST_F(CliModel, Float64RunsStayFloat64) {
  const json other = json_of({"train", "tiny.json", "--quiet", "--set", "precision=float64"});
  EXPECT_NE(other["eval_loss"], trained["eval_loss"]);
  EXPECT_NEAR(other["eval_loss"], trained["eval_loss"], 1e-4);
  EXPECT_EQ(json_of({"eval", "runs/tiny"})["loss"], other["eval_loss"]);
}

TEST_F(CliModel, InspectShowsTensorsAndOrigin) {
  const json result = json_of({"inspect", "run"});
  EXPECT_EQ(result["checksum"], "ok");
  EXPECT_EQ(result["config"]["model"]["d_model"], 8);
  EXPECT_EQ(result["tokenizer"]["name"], "char");
  EXPECT_EQ(result["optimizer"], json({"m", "v"}));
  EXPECT_TRUE(result["origin"].contains("version"));
  int64_t count = 0;
  for (const json& tensor : result["tensors"]) {
    int64_t size = 1;
    for (const json& n : tensor["shape"]) size *= int64_t(n);
    count += size;
    EXPECT_NEAR(tensor["norm"], double(tensor["rms"]) * std::sqrt(double(size)), 1e-9);
    if (has(tensor["name"], "A_log")) {
      EXPECT_EQ(tensor["decay"], false);
    }
  }
  EXPECT_EQ(count, result["parameters"]);
  const Ran text = work.run({"inspect", "run/checkpoints/best.h5"});
  for (const char* said :
       {"checksum", "ok", "6 of 6", "mamba, d_model 8, 2 layers", "text.txt", "A_log", "parameters"})
    EXPECT_TRUE(has(text.out, said));
}

TEST_F(CliModel, TraceWritesEverything) {
  Hdf5File batch = Hdf5File::create(work.file("batch.h5"));
  batch.write("input_ids", Tensor::from<int32_t>({2, 3}, std::vector<int32_t>{1, 2, 3, 4, 5, 6}));
  batch.write("labels", Tensor::from<int32_t>({2, 3}, std::vector<int32_t>{2, 3, 4, 5, 6, -100}));
  batch.close();
  const json result =
      json_of({"trace", "run", "--input", "batch.h5", "--out", "trace.h5", "--precision", "float64"});
  const Hdf5File trace = Hdf5File::open(work.file("trace.h5"));
  EXPECT_EQ(trace.describe("logits").dtype, "float64");
  EXPECT_EQ(trace.describe("decode_logits").shape, trace.describe("logits").shape);
  EXPECT_TRUE(trace.exists("grads/blocks.1.mixer.A_log"));
  EXPECT_EQ(result["loss"], trace.read_double("loss"));
  EXPECT_EQ(result["datasets"].size(), trace.datasets().size());
  const Ran single = work.run({"trace", "run", "--input", "batch.h5", "--out", "single.h5"});
  EXPECT_EQ(single.code, 0) << single.err;
  EXPECT_TRUE(has(single.out, "loss"));
  EXPECT_EQ(Hdf5File::open(work.file("single.h5")).describe("logits").dtype, "float32");
  EXPECT_EQ(work.run({"trace", "run", "--input", "batch.h5", "--out", "t.h5", "--names", "source"}).code, 3);
  EXPECT_EQ(work.run({"trace", "run", "--input", "batch.h5", "--out", "t.h5", "--names", "theirs"}).code, 2);
  EXPECT_EQ(work.run({"trace", "run", "--input", "batch.h5", "--out", "t.h5", "--precision", "half"}).code,
            2);
  EXPECT_FALSE(work.exists("t.h5"));
}

// Import, trace and a run on ready-made batches, as the parity fixtures ask for.
TEST(CliImport, FolderToCheckpointToTraceToRun) {
  const std::string parity = std::string(ADDER_SOURCE_DIR) + "/../shared/parity/hf/mamba";
  if (!fs::exists(parity)) GTEST_SKIP() << "shared/parity is not here";
  Workspace work;
  const Ran imported = work.run({"import", parity, "mamba.h5"});
  ASSERT_EQ(imported.code, 0) << imported.err;
  EXPECT_TRUE(has(imported.out, "21,984 parameters"));
  const Ran again = work.run({"import", parity, "mamba.h5"});
  EXPECT_EQ(again.code, 2);
  EXPECT_TRUE(has(again.err, "--force"));
  EXPECT_EQ(work.run({"import", parity, "mamba.h5", "--force", "--json"}).code, 0);
  EXPECT_EQ(work.run({"import", work.path(), "other.h5"}).code, 3);
  EXPECT_FALSE(work.exists("other.h5"));

  const Ran traced =
      work.run({"trace", "mamba.h5", "--input", parity + "/case.h5", "--out", "t.h5", "--names", "source"});
  ASSERT_EQ(traced.code, 0) << traced.err;
  const Hdf5File ours = Hdf5File::open(work.file("t.h5")), theirs = Hdf5File::open(parity + "/case.h5");
  EXPECT_NEAR(ours.read_double("loss"), theirs.read_double("f64/loss"), 1e-5);
  for (const Hdf5Dataset& gradient : theirs.datasets("/grads")) {
    ASSERT_TRUE(ours.exists(gradient.path)) << gradient.path;
    EXPECT_EQ(ours.describe(gradient.path).shape, gradient.shape) << gradient.path;
  }

  work.write("batches.json", R"({"data": {"batches": ")" + parity +
                                 R"(/train.h5"}, "initialize": {"from": ")" + parity + R"("},
    "optimizer": {"learning_rate": 1e-3, "betas": [0.9, 0.95], "weight_decay": 0.1},
    "schedule": {"name": "constant"}, "training": {"steps": 20}, "logging": {"every": 1}})");
  const Ran trained = work.run({"train", "batches.json", "--quiet", "--json"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const Tensor truth = Hdf5File::open(parity + "/train.h5").read("f64/loss");
  EXPECT_NEAR(json::parse(trained.out)["train_loss"], truth.item(19), 2e-5);
  const Ran beyond = work.run({"train", "batches.json", "--out", "beyond", "--set", "training.steps=21"});
  EXPECT_EQ(beyond.code, 3) << beyond.err;
  const Ran size = work.run({"train", "batches.json", "--out", "beyond", "--set", "training.batch_size=3"});
  EXPECT_EQ(size.code, 2) << size.err;
  EXPECT_TRUE(has(size.err, "training.batch_size is 3"));
  EXPECT_FALSE(work.exists("beyond"));
  const Ran prompt = work.run({"generate", "runs/batches", "--prompt", "x"});
  EXPECT_EQ(prompt.code, 2);
  EXPECT_TRUE(has(prompt.err, "no tokenizer"));
}

// What `adder train` writes to stderr where that is a terminal.
std::string on_a_terminal(const Workspace& work, const std::vector<std::string>& environment) {
  int screen = -1;
  const winsize size{24, 100, 0, 0};
  const pid_t child = forkpty(&screen, nullptr, nullptr, &size);
  if (child == 0) {
    for (const std::string& setting : environment) putenv(const_cast<char*>(setting.c_str()));
    if (chdir(work.path().c_str()) != 0) _exit(126);
    execl(ADDER_BINARY, "adder", "train", "tiny.json", static_cast<char*>(nullptr));
    _exit(127);
  }
  std::string text;
  char part[4096];
  for (ssize_t n; (n = read(screen, part, sizeof part)) > 0;) text.append(part, size_t(n));
  close(screen);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0) << text;
  return text;
}

TEST(CliTerminal, BarAndColourOnlyWhereTheyAreWanted) {
  Workspace work;
  write_tiny_run(work);
  const auto fresh = [&](const std::vector<std::string>& environment) {
    fs::remove_all(work.file("runs"));
    return on_a_terminal(work, environment);
  };
  const std::string coloured = fresh({"TERM=xterm", "NO_COLOR="});
  EXPECT_TRUE(has(coloured, "\r["));
  EXPECT_TRUE(has(coloured, "6/6  loss"));
  EXPECT_TRUE(has(coloured, "\x1b[32m"));
  EXPECT_EQ(coloured.find("step 6/6"), std::string::npos);
  const std::string plain = fresh({"TERM=xterm", "NO_COLOR=1"});
  EXPECT_TRUE(has(plain, "\r["));
  EXPECT_EQ(plain.find("\x1b[32m"), std::string::npos);
  const std::string dumb = fresh({"TERM=dumb"});
  EXPECT_EQ(dumb.find('\x1b'), std::string::npos);
  EXPECT_TRUE(has(dumb, "step 6/6  loss"));
}

}  // namespace
}  // namespace adder
