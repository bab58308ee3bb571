// adder probe --step and --health, and TensorBoard's events of a run.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "framework/data/hdf5.h"
#include "tests/support/command_line.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
using namespace testing_cli;
using nlohmann::json;

std::map<std::string, std::string> contents(const Workspace& work, const std::string& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(work.file(folder)))
    if (entry.is_regular_file()) {
      const std::string name = fs::relative(entry.path(), work.path()).string();
      all[name] = work.read(name);
    }
  return all;
}

int events_files(const Workspace& work, const std::string& folder) {
  int count = 0;
  for (const auto& [name, text] : contents(work, folder)) count += name.find("/events.out.tfevents.") != std::string::npos;
  return count;
}

TEST(CliProbeStep, TheNextStepOfAConfigAndOfARun) {
  const Workspace work;
  write_tiny_run(work, 3);
  ASSERT_EQ(work.run({"train", "tiny.json", "--out", "run", "--quiet", "--set", "schedule.name=constant"}).code, 0);
  const auto before = contents(work, "run");
  const auto result = [&](const std::string& path) {
    const Ran ran = work.run({"probe", path, "--step", "--products", "2", "--json", "--out", "p"});
    EXPECT_EQ(ran.code, 0) << ran.err;
    return json::parse(ran.out);
  };
  const json first = result("tiny.json"), next = result("run");
  EXPECT_EQ(first["step"], 1);
  EXPECT_EQ(next["step"], 4);
  EXPECT_EQ(first["measures"]["from_start"], 0.0);
  EXPECT_GT(next["measures"]["from_start"].get<double>(), 0);
  for (const char* key : {"loss", "norm_test", "cabs", "mean_gsnr", "early_stopping", "sharpness", "hessian_trace", "tic"})
    EXPECT_TRUE(next["measures"][key].is_number()) << key;
  EXPECT_EQ(next["line"].size(), 13u);
  EXPECT_EQ(next["costs"][0]["measure"], "backward");
  EXPECT_EQ(contents(work, "run"), before) << "the run is as it was";
  EXPECT_TRUE(has(work.read("p/report.html"), "The loss along the step"));
  EXPECT_EQ(json::parse(work.read("p/step.json"))["measures"], next["measures"]);
  const Ran text = work.run({"probe", "run", "--step", "--products", "0"});
  ASSERT_EQ(text.code, 0) << text.err;
  for (const char* said : {"step length alpha", "norm test", "What it cost"}) EXPECT_TRUE(has(text.out, said));
  EXPECT_EQ(text.out.find("sharpness"), std::string::npos);
}

TEST(CliProbeStep, ErrorsComeFirst) {
  const Workspace work;
  write_tiny_run(work, 2);
  const auto refused = [&](std::vector<std::string> command, const std::vector<std::string>& words) {
    command.insert(command.begin(), "probe");
    const Ran ran = work.run(command);
    EXPECT_EQ(ran.code, 2) << ran.err;
    for (const std::string& word : words) EXPECT_TRUE(has(ran.err, word));
  };
  refused({"tiny.json", "--step", "--length", "20"}, {"--step", "--length"});
  refused({"tiny.json", "--step", "--curse-of-memory"}, {"--step", "--curse-of-memory"});
  refused({"tiny.json", "--products", "3"}, {"--products", "--step"});
  refused({"tiny.json", "tiny.json", "--step"}, {"--step looks at one source"});
  refused({"tiny.json", "--step", "--set", "training.batch_size=1"}, {"1 row, expected at least 2"});
  refused({"tiny.json", "--step", "--products", "-1"}, {"--products is -1"});
  refused({"tiny.json", "--health"}, {"tiny.json is no run's folder"});
  EXPECT_EQ(work.entries(), (std::vector<std::string>{"text.txt", "tiny.json"}));
}

TEST(CliProbeHealth, OfARun) {
  const Workspace work;
  write_tiny_run(work, 4);
  ASSERT_EQ(work.run({"train", "tiny.json", "--out", "run", "--quiet", "--set", "logging.health=2"}).code, 0);
  {
    const Hdf5File file = Hdf5File::open(work.file("run/health.h5"));
    EXPECT_EQ(file.read_integers("/step"), (std::vector<int64_t>{1, 2, 4}));
    EXPECT_TRUE(file.exists("/grad_norm") && file.exists("/histogram_time_step"));
  }
  const Ran ran = work.run({"probe", "run", "--health", "--out", "p"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, "3 steps looked into, 1 to 4"));
  EXPECT_EQ(work.read("p/health.h5"), work.read("run/health.h5")) << "the same, whenever it is made";
  EXPECT_TRUE(has(work.read("p/report.html"), "Time steps, blocks.0.mixer"));
  const json result = json::parse(work.run({"probe", "run", "--health", "--json"}).out);
  EXPECT_EQ(result["steps"], (std::vector<int>{1, 2, 4}));
}

TEST(CliTensorboard, EventsOfEachPartOfARun) {
  const Workspace work;
  write_tiny_run(work, 3);
  ASSERT_EQ(work.run({"train", "tiny.json", "--out", "run", "--quiet"}).code, 0);
  EXPECT_EQ(events_files(work, "run"), 1);
  ASSERT_EQ(work.run({"train", "tiny.json", "--out", "run", "--quiet", "--resume", "--set", "training.steps=5"}).code, 0);
  EXPECT_EQ(events_files(work, "run"), 2);
  std::string all;
  for (const auto& [name, text] : contents(work, "run"))
    if (name.find("/events.out.tfevents.") != std::string::npos) all += text;
  for (const char* tag : {"train/loss", "eval/loss", "health/rms/blocks.0", "health/histogram/gradient/embedding"}) EXPECT_NE(all.find(tag), std::string::npos) << tag;
  ASSERT_EQ(work.run({"train", "tiny.json", "--out", "other", "--quiet", "--set", "logging.tensorboard=false"}).code, 0);
  EXPECT_EQ(events_files(work, "other"), 0);
}

}  // namespace
}  // namespace adder
