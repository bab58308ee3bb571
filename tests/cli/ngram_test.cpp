// A model that counts, from the command line: one run folder like any other.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "framework/training/checkpoint.h"
#include "tests/support/command_line.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

constexpr char kConfig[] = R"({"data": {"train": "text.txt", "tokenizer": "char"},
  "model": {"architecture": "ngram", "order": 3}})";

class CliNgram : public testing::Test {
 protected:
  void SetUp() override {
    write_tiny_run(work, 6, 6000);
    work.write("ngram.json", kConfig);
  }
  Ran train(const std::vector<std::string>& more = {}, const Environment& environment = {}) {
    std::vector<std::string> words = {"train", "ngram.json"};
    words.insert(words.end(), more.begin(), more.end());
    return work.run(words, environment);
  }
  Workspace work;
};

TEST_F(CliNgram, TrainsEvaluatesAndGenerates) {
  const Ran ran = train();
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const char* said : {"ngram, counted in one pass", "char, ", "evaluation at step 1", "state carried"})
    EXPECT_TRUE(has(ran.err, said));
  EXPECT_TRUE(has(ran.out, "tokens counted; validation loss"));
  for (const char* name : {"config.json", "metrics.jsonl", "checkpoints/step-00000001.h5", "checkpoints/best.h5"})
    EXPECT_TRUE(work.exists(std::string("runs/ngram/") + name)) << name;
  const json config = json::parse(work.read("runs/ngram/config.json"));
  EXPECT_EQ(config["model"].dump(), R"({"architecture":"ngram","order":3})");
  EXPECT_EQ(config["training"]["steps"], 1);
  EXPECT_EQ(config["evaluation"]["state"], "carry");
  const Ran eval = work.run({"eval", "runs/ngram", "--json"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  EXPECT_EQ(json::parse(work.read("runs/ngram/metrics.jsonl").substr(work.read("runs/ngram/metrics.jsonl").find('\n')))["eval/loss"],
            json::parse(eval.out)["loss"]);
  const Ran text = work.run({"generate", "runs/ngram", "--prompt", "In the", "--tokens", "20", "--temperature", "0"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_EQ(text.out.size(), 26u);
  const Ran inspected = work.run({"inspect", "runs/ngram"});
  EXPECT_TRUE(has(inspected.out, "ngrams.3.count")) << inspected.err;
  EXPECT_EQ(json::parse(work.run({"inspect", "runs/ngram", "--json"}).out)["counts"].size(), 8u);
  // The resolved config is a config, too.
  const Ran again = work.run({"train", "runs/ngram/config.json", "--out", "again", "--quiet"});
  EXPECT_EQ(again.code, 0) << again.err;
}

TEST_F(CliNgram, GoesOnWhereItWasInterrupted) {
  ASSERT_EQ(train({"--out", "whole", "--quiet"}).code, 0);
  const Ran finished = train({"--out", "whole", "--resume"});
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_TRUE(has(finished.err, "finished already"));
  // Killed while the checkpoint is written: nothing is lost but the seconds.
  EXPECT_EQ(train({"--out", "parts"}, {{"ADDER_STOP_WRITING", "half"}}).code, 128 + 9);
  const Ran resumed = train({"--out", "parts", "--resume"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(has(resumed.err, "nothing to resume"));
  // Killed after it: the evaluation is there, too, so there is nothing to do.
  EXPECT_EQ(train({"--out", "late"}, {{"ADDER_STOP_WRITING", "done"}}).code, 128 + 9);
  EXPECT_TRUE(has(train({"--out", "late", "--resume"}).err, "finished already"));
  // The evaluation is missing: it is made up for.
  work.write("late/metrics.jsonl", "{\"step\":1,\"tokens\":1}\n");
  const Ran evaluated = train({"--out", "late", "--resume"});
  EXPECT_EQ(evaluated.code, 0) << evaluated.err;
  EXPECT_TRUE(has(evaluated.out, "validation loss"));
  for (const char* run : {"parts", "late"}) {
    const Checkpoint a = read_checkpoint(work.file("whole/checkpoints/step-00000001.h5"));
    const Checkpoint b = read_checkpoint(work.file(std::string(run) + "/checkpoints/step-00000001.h5"));
    ASSERT_EQ(a.counts.size(), b.counts.size());
    for (size_t i = 0; i < a.counts.size(); ++i) {
      ASSERT_EQ(a.counts[i].value.shape(), b.counts[i].value.shape());
      for (int64_t k = 0; k < a.counts[i].value.size(); ++k)
        ASSERT_EQ(a.counts[i].value.item(k), b.counts[i].value.item(k));
    }
    EXPECT_EQ(a.best_loss, b.best_loss);
  }
}

TEST_F(CliNgram, RefusesWhatItHasNoUseFor) {
  const auto refused = [&](const std::vector<std::string>& more, const std::vector<std::string>& words) {
    const Ran ran = train(more);
    EXPECT_EQ(ran.code, 2) << ran.err;
    for (const std::string& word : words) EXPECT_TRUE(has(ran.err, word));
    EXPECT_FALSE(work.exists("runs"));
  };
  refused({"--set", "model.d_model=8"}, {"model.d_model belongs to models made of blocks", "\"ngram\""});
  refused({"--set", "model.order=0"}, {"model.order", "between 1 and 32"});
  refused({"--set", "training.steps=5"}, {"training.steps is 5", "one pass"});
  refused({"--set", "optimizer.learning_rate=0.5"}, {"optimizer.learning_rate has no effect", "ngram"});
  refused({"--set", "training.batch_size=3"}, {"training.batch_size has no effect"});
  refused({"--set", "model.blocks=[{\"architecture\":\"ngram\"}]", "--set", "model.architecture=hybrid", "--set", "model.order=2"},
          {"ngram is a model of its own, no block"});
  ASSERT_EQ(train({"--quiet"}).code, 0);
  const Ran traced = work.run({"trace", "runs/ngram", "--input", "text.txt", "--out", "t.h5"});
  EXPECT_EQ(traced.code, 2) << traced.err;
  EXPECT_TRUE(has(traced.err, "the architecture ngram has no gradients"));
  const Ran from = work.run({"train", "tiny.json", "--set", "initialize.from=runs/ngram"});
  EXPECT_EQ(from.code, 2) << from.err;
  EXPECT_TRUE(has(from.err, "ngram counts a text; there are no weights"));
}

TEST_F(CliNgram, IsCheckedWhereGradientsAreNotNeeded) {
  const Ran ran = work.run({"check", "ngram.json"});
  EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
  EXPECT_TRUE(has(ran.out, "ngram, no parameters"));
  EXPECT_TRUE(has(ran.out, "all 5 checks ok"));
}

}  // namespace
}  // namespace adder
