#include "framework/config/config.h"

#include <algorithm>

#include "kernels/device.h"
#include "tests/config/fake_factory.h"

namespace adder {
namespace {

const FakeFactory factory;
constexpr const char* kSmall = R"({"data": {"train": "t.txt"}, "model": {"architecture": "mamba"}})";

// A config around `more`, whose lines start at line 2.
std::string around(const std::string& more) {
  return "{\"data\": {\"train\": \"t.txt\"}, \"model\": {\"architecture\": \"mamba\"},\n" + more + "}";
}

Config parse(const std::string& text, const std::vector<std::string>& overrides = {}, Use use = Use::train) {
  return parse_config(text, "dir/x.json", overrides, factory, use);
}

std::string refusal(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return usage_error([&] { parse(text, overrides); });
}

const FakeMambaOptions& mamba(const Config& config) {
  return dynamic_cast<const FakeMambaOptions&>(*config.model.mixer);
}

TEST(Config, DefaultsFillWhatIsNotGiven) {
  const Config c = parse(kSmall);
  EXPECT_EQ(c.name, "x");
  EXPECT_EQ(c.seed, 1337);
  EXPECT_EQ(c.dtype(), DType::f32);
  EXPECT_EQ(c.data.train, std::vector<std::string>{"t.txt"});
  EXPECT_EQ(c.data.validation_fraction, 0.1);
  EXPECT_EQ(mamba(c).d_state, 16);
  EXPECT_EQ(c.schedule.decay_steps, 1000);
  EXPECT_FALSE(c.decay_steps_given());
  EXPECT_EQ(c.evaluation_window(), 256);
  EXPECT_EQ(c.evaluation_stride(), 256);
  EXPECT_EQ(c.optimizer.betas, (std::vector<double>{0.9, 0.999}));
}

TEST(Config, EveryKindOfValueIsRead) {
  const Config c = parse(R"({
    "$schema": "schema.json", // ignored
    "precision": "float64", "seed": 7,
    "data": {"train": ["a.txt", "b/*.txt"], "validation": "v.txt", "separator": "\n"},
    "model": {"architecture": "mamba", "d_state": 8, "bias": true, "tie_embeddings": false, "dropout": 0},
    "optimizer": {"learning_rate": 1, "betas": [0, 0.95]}
  })");
  EXPECT_EQ(c.dtype(), DType::f64);
  EXPECT_EQ(c.data.train, (std::vector<std::string>{"a.txt", "b/*.txt"}));
  EXPECT_EQ(c.data.validation, std::vector<std::string>{"v.txt"});
  EXPECT_EQ(mamba(c).d_state, 8);
  EXPECT_TRUE(mamba(c).bias);
  EXPECT_FALSE(c.model.tie_embeddings);
  EXPECT_EQ(c.optimizer.learning_rate, 1.0);  // an integer is a number
  EXPECT_EQ(c.optimizer.betas, (std::vector<double>{0, 0.95}));
}

TEST(Config, UnknownKeysNameTheNearest) {
  EXPECT_EQ(refusal(around("\"training\": {\n  \"stpes\": 3}")),
            "dir/x.json:3:3: unknown key training.stpes; did you mean training.steps?");
  EXPECT_HAS(refusal(around("\"optimiser\": {}")),
             "dir/x.json:2:1: unknown key optimiser; did you mean optimizer?");
  EXPECT_HAS(refusal(around("\"training\": {\"learning_rate\": 1}")),
             "did you mean optimizer.learning_rate?");
  EXPECT_HAS(refusal(around("\"d_state\": 1")), "unknown key d_state; did you mean model.d_state?");
  EXPECT_HAS(refusal(around("\"checkpoint\": {\"frobnicate\": 1}")),
             "unknown key checkpoint.frobnicate; known keys of checkpoint: every, keep, keep_best");
  EXPECT_HAS(refusal(around("\"frobnicate\": 1")), "known keys here: name, seed, precision");
  EXPECT_HAS(refusal(R"({"modle": {"architecture": "mamba"}})"), "unknown key modle; did you mean model?");
}

TEST(Config, WrongTypesSayWhatWasFoundAndExpected) {
  EXPECT_EQ(refusal(around("\"training\":\n {\"steps\":\n   \"x\"}")),
            "dir/x.json:4:4: training.steps: expected an integer of at least 1, found string \"x\"");
  EXPECT_HAS(refusal(around("\"training\": {\"steps\": 3.0}")),
             "training.steps: expected an integer of at least 1, found number 3.0; write 3");
  EXPECT_HAS(refusal(around("\"training\": {\"steps\": 2.5}")),
             "expected an integer of at least 1, found number 2.5");
  EXPECT_HAS(refusal(around("\"training\": {\"steps\": null}")), "found null");
  EXPECT_HAS(refusal(around("\"training\": []")),
             "dir/x.json:2:13: training: expected an object { … }, found a list");
  EXPECT_HAS(refusal(around("\"checkpoint\": {\"keep_best\": 1}")),
             "expected true or false, found integer 1");
  EXPECT_HAS(refusal(around("\"name\": 12")), "name: expected a string, found integer 12");
  EXPECT_HAS(refusal(around("\"optimizer\": {\"eps\": \"1e-8\"}")),
             "optimizer.eps: expected a number of at least 0, found string \"1e-8\"");
  EXPECT_HAS(
      refusal(around("\"optimizer\": {\"betas\": [0.9]}")),
      "optimizer.betas: expected a list of 2 numbers, each of at least 0 and below 1, found a list of 1");
  EXPECT_HAS(refusal(around("\"optimizer\": {\"betas\": [0.9,\n true]}")),
             "dir/x.json:3:2: optimizer.betas: expected");
  EXPECT_HAS(refusal(R"({"data": {"train": ["a", 3]}, "model": {"architecture": "mamba"}})"),
             "data.train: expected a string or a list of strings, found integer 3 in the list");
  EXPECT_HAS(refusal("[1]"), "dir/x.json:1:1: expected an object { … }, found a list");
}

TEST(Config, ValuesOutOfRange) {
  EXPECT_HAS(refusal(around("\"training\": {\"steps\": 0}")),
             "expected an integer of at least 1, found integer 0");
  EXPECT_HAS(refusal(around("\"optimizer\": {\"betas\": [0.9, 1]}")), "found integer 1 in the list");
  EXPECT_HAS(refusal(around("\"schedule\": {\"decay_fraction\": 2}")),
             "expected a number between 0 and 1, found integer 2");
  EXPECT_HAS(refusal(kSmall, {"model.norm_eps=0"}),
             "model.norm_eps: expected a number above 0, found integer 0");
  EXPECT_HAS(refusal(kSmall, {"model.d_model=4611686018427387904"}), "the most is 16777216");
  EXPECT_HAS(refusal(kSmall, {"training.batch_size=9223372036854775807"}), "the most is 16777216");
  EXPECT_HAS(refusal(kSmall, {"model.d_conv=0"}), "model.d_conv: expected an integer of at least 1");
  EXPECT_HAS(
      refusal(around("\"optimizer\": {\"name\": \"adam\"}")),
      "optimizer.name: expected one of \"adamw\", \"sgd\", \"lion\", \"muon\", found string \"adam\"; did you mean \"adamw\"?");
}

TEST(Config, PrecisionTellsTheModelHowToMultiply) {
  for (const char* precision : {"float32", "bf16", "float64"}) {
    const Config c = parse(around("\"precision\": \"" + std::string(precision) + "\""));
    EXPECT_EQ(c.model.bf16, c.precision == "bf16");
    EXPECT_EQ(c.dtype(), c.precision == "float64" ? DType::f64 : DType::f32);
    EXPECT_EQ(parse(to_json(c)).model.bf16, c.model.bf16);
  }
  EXPECT_HAS(refusal(around("\"precision\": \"bf64\"")), "expected one of \"float32\", \"bf16\", \"float64\"");
}

TEST(Config, WhatThisBuildLacksIsRefused) {
  if (!kernels::available(kernels::Device::cuda)) {
    EXPECT_HAS(refusal(around("\"device\": \"cuda\"")),
               "dir/x.json:2:11: device: \"cuda\" is not available in this build");
  }
  EXPECT_HAS(refusal(around("\"device\": \"tpu\"")),
             "expected one of \"cpu\", \"cuda\", found string \"tpu\"");
}

TEST(Config, ArchitecturesBringTheirKeys) {
  EXPECT_EQ(refusal("{\"data\": {\"train\": \"t\"}, \"model\": {\n\"architecture\": \"mmaba\"}}"),
            "dir/x.json:2:17: model.architecture: unknown architecture \"mmaba\"; did you mean \"mamba\"?; "
            "known: mamba, "
            "attention, mean, hybrid");
  EXPECT_HAS(
      refusal("{\"model\": {\"architecture\": \"mamba\",\n \"n_heads\": 2}}"),
      "dir/x.json:2:2: model.n_heads belongs to the architecture attention; model.architecture is \"mamba\"");
  EXPECT_HAS(refusal("{\"model\": {\"n_heads\": 2}}"),
             "belongs to the architecture attention; set model.architecture");
  EXPECT_HAS(refusal("{\"model\": {\"architecture\": \"mean\", \"d_state\": 2}}"),
             "belongs to the architecture mamba or attention");
  EXPECT_HAS(refusal("{\"model\": {\"architecture\": \"mamba\", \"d_stat\": 2}}"),
             "did you mean model.d_state?");
  EXPECT_HAS(refusal("{\"model\": {\"architecture\": 3}}"),
             "model.architecture: expected a string, found integer 3");
  EXPECT_HAS(refusal("{\"data\": {\"train\": \"t\"}}"), "dir/x.json: model.architecture is missing");
  EXPECT_EQ(parse(kSmall, {"model.architecture=mean"}).model.mixer, nullptr);
  // A copy holds the same values, and nobody can change them under it.
  const Config c = parse(kSmall, {"model.d_state=5"}), copy = c;
  static_assert(std::is_const_v<std::remove_reference_t<decltype(*copy.model.mixer)>>);
  EXPECT_EQ(mamba(copy).d_state, 5);
}

TEST(Config, CrossChecks) {
  EXPECT_HAS(refusal("{\"model\": {\"architecture\": \"mamba\"}}"), "dir/x.json: data.train is missing");
  EXPECT_HAS(refusal(kSmall, {"data.batches=b.h5"}),
             "--set data.batches=b.h5: data.train and data.batches are both given");
  EXPECT_HAS(
      refusal(around("\"schedule\": {\"min_learning_rate\": 0.1}")),
      "dir/x.json:2:35: schedule.min_learning_rate is 0.1, expected at most optimizer.learning_rate, 0.001");
  EXPECT_HAS(refusal(around("\"schedule\": {\"warmup_steps\": 1001}")),
             "schedule.warmup_steps is 1001, expected at most schedule.decay_steps, 1000 (training.steps); lower it, too");
  EXPECT_HAS(refusal(kSmall, {"evaluation.window=64", "evaluation.stride=65"}),
             "--set evaluation.stride=65: evaluation.stride is 65, expected at most evaluation.window, 64");
  EXPECT_HAS(refusal(kSmall, {"data.validation_fraction=0.5", "data.test_fraction=0.5"}),
             "--set data.test_fraction=0.5: data.validation_fraction + data.test_fraction is 1.0");
  EXPECT_NO_THROW(parse(kSmall, {"data.validation_fraction=0.5", "data.test_fraction=0.5", "data.test=t2"}));
  EXPECT_HAS(refusal(kSmall, {"optimizer.momentum=0.9"}), "belong to sgd; optimizer.name is \"adamw\"");
  EXPECT_HAS(refusal(kSmall, {"optimizer.name=sgd", "optimizer.nesterov=true"}),
             "needs optimizer.momentum above 0");
  EXPECT_HAS(refusal(kSmall, {"schedule.name=wsd", "schedule.warmup_steps=950"}), "overlap; shorten one");
  EXPECT_HAS(refusal(kSmall, {"data.tokenizer="}), "data.tokenizer: expected");
  EXPECT_HAS(refusal(kSmall, {"name=../x"}), "name: expected the name of a folder");
}

TEST(Config, WhatACheckpointHoldsMayLackData) {
  EXPECT_NO_THROW(parse("{\"model\": {\"architecture\": \"mamba\"}}", {}, Use::stored));
  EXPECT_NO_THROW(parse("{\"data\": {\"batches\": \"b.h5\"}, \"initialize\": {\"from\": \"folder\"}}"));
}

TEST(Config, OverridesAreTypedByTheirKey) {
  const Config c =
      parse(kSmall, {"training.steps=5", "name=123", "optimizer.learning_rate=2e-3", "model.bias=true",
                     "data.train=[\"a\", \"b\"]", "data.validation=1984",
                     "data.separator=", "optimizer={\"betas\": [0.5, 0.6]}", "training.steps=6", "seed=4"});
  EXPECT_EQ(c.training.steps, 6);  // the last one counts
  EXPECT_EQ(c.schedule.decay_steps, 6);
  EXPECT_EQ(c.name, "123");
  EXPECT_EQ(c.optimizer.learning_rate, 2e-3);
  EXPECT_EQ(c.optimizer.betas[1], 0.6);
  EXPECT_TRUE(mamba(c).bias);
  EXPECT_EQ(c.data.train.size(), 2u);
  EXPECT_EQ(c.data.validation, std::vector<std::string>{"1984"});
  EXPECT_EQ(c.data.separator, "");
}

TEST(Config, WrongOverridesNameThemselves) {
  EXPECT_EQ(refusal(kSmall, {"training.steps=x"}),
            "--set training.steps=x: training.steps: expected an integer of at least 1, found string \"x\"");
  EXPECT_HAS(refusal(kSmall, {"training.step=1"}),
             "--set training.step=1: unknown key training.step; did you mean training.steps?");
  EXPECT_HAS(refusal(kSmall, {"optimizer.learning_rate=1e999"}), "found string \"1e999\"");
  EXPECT_HAS(refusal(kSmall, {"seed.x=1"}),
             "--set seed.x=1: seed: expected an integer of at least 0, found an object");
  EXPECT_HAS(refusal(kSmall, {"training=5"}), "--set training=5: training: expected an object");
  EXPECT_HAS(refusal(kSmall, {"data.train=[\"a\","}), "--set data.train=[\"a\",:1:6: ");
  EXPECT_HAS(refusal(kSmall, {"optimizer={\"eps\": 1, \"eps\": 2}"}), "eps is given twice");
  for (const char* wrong : {"seed", "=1", ".seed=1", "seed.=1", "a..b=1"})
    EXPECT_HAS(refusal(kSmall, {wrong}), "--set " + std::string(wrong) + ": expected key.path=value");
  EXPECT_HAS(refusal(kSmall, {"extends=y.json"}), "extends belongs into a file");
}

TEST(Config, ExtendsBuildsOnAnother) {
  write_temporary("base/root.json", R"({"seed": 1, "data": {"train": ["a", "b"]},
    "model": {"architecture": "mamba", "d_state": 8}, "training": {"steps": 10, "batch_size": 2}})");
  write_temporary("base/middle.json",
                  R"({"extends": "root.json", "seed": 2, "training": {"batch_size": 3}})");
  const std::string top = write_temporary(
      "top.json",
      R"({"extends": "base/middle.json", "data": {"train": ["c"]}, "training": {"clip_norm": 0}})");
  const Config c = load_config(top, {"model.d_conv=2"}, factory);
  EXPECT_EQ(c.name, "top");
  EXPECT_EQ(c.seed, 2);
  EXPECT_EQ(c.data.train, std::vector<std::string>{"c"});  // a list replaces
  EXPECT_EQ(c.training.steps, 10);
  EXPECT_EQ(c.training.batch_size, 3);
  EXPECT_EQ(c.training.clip_norm, 0);
  EXPECT_EQ(mamba(c).d_state, 8);
  EXPECT_EQ(mamba(c).d_conv, 2);
}

TEST(Config, ErrorsInABaseNameTheBase) {
  const std::string base = write_temporary("base.json", "{\n \"training\": {\"stepz\": 1}}");
  const std::string top = write_temporary("top.json", "{\"extends\": \"base.json\"}");
  EXPECT_HAS(usage_error([&] { load_config(top, {}, factory); }), base + ":2:15: unknown key training.stepz");
  const std::string lost = write_temporary("lost.json", "{\n\"extends\": \"bose.json\"}");
  const std::string message = usage_error([&] { load_config(lost, {}, factory); });
  EXPECT_HAS(message, lost + ":2:12: extends: ");
  EXPECT_HAS(message, "bose.json: no such file; did you mean " + base);
  const std::string wrong = write_temporary("wrong.json", "{\"extends\": [\"base.json\"]}");
  EXPECT_HAS(usage_error([&] { load_config(wrong, {}, factory); }),
             "expected the path of a config file, found a list");
}

// A base's warm-up is too long for the steps of the file on top: that file is where it can be mended.
TEST(Config, WhatDoesNotFitABaseIsNamedOnTop) {
  write_temporary("base.json", "{\n \"schedule\": {\"warmup_steps\": 100}}");
  const std::string top = write_temporary("top.json", R"({"extends": "base.json", "data": {"train": "x"}, "model": {"architecture": "mamba"},)"
                                                      "\n \"training\": {\"steps\": 50}}");
  EXPECT_HAS(usage_error([&] { load_config(top, {}, factory); }), top + ":2:24: schedule.warmup_steps is 100, expected at most");
  const std::string plain = write_temporary("plain.json", R"({"extends": "base.json", "data": {"train": "x"}, "model": {"architecture": "mamba"}})");
  EXPECT_HAS(usage_error([&] { load_config(plain, {"training.steps=50"}, factory); }), "--set training.steps=50: schedule.warmup_steps is 100");
}

TEST(Config, ExtendsInACircleNamesTheChain) {
  const std::string a = write_temporary("a.json", "{\"extends\": \"b.json\"}");
  const std::string b = write_temporary("b.json", "{\n\"extends\": \"./a.json\"}");
  const std::string message = usage_error([&] { load_config(a, {}, factory); });
  EXPECT_HAS(message,
             b + ":2:12: extends: the files extend each other in a circle: " + a + " -> " + b + " -> " + a);
  const std::string self = write_temporary("self.json", "{\"extends\": \"self.json\"}");
  EXPECT_HAS(usage_error([&] { load_config(self, {}, factory); }), self + " -> " + self);
}

TEST(Config, ResolvedConfigReadsBackTheSame) {
  const Config c = parse(around("\"optimizer\": {\"name\": \"sgd\", \"momentum\": 0.30000000000000004},"
                                "\"schedule\": {\"min_learning_rate\": 1e-5}, \"training\": {\"steps\": 7}"),
                         {"data.train=[\"a\", \"b\"]", "model.dt_rank=3", "data.separator=\"\\n\\u00e9\""});
  const std::string text = to_json(c);
  const Config back = parse(text);
  EXPECT_EQ(to_json(back), text);
  EXPECT_EQ(back.optimizer.momentum, 0.30000000000000004);
  EXPECT_EQ(back.data.separator, "\né");
  EXPECT_EQ(mamba(back).dt_rank, 3);
  EXPECT_EQ(back.schedule.decay_steps, 7);
  EXPECT_TRUE(resume_differences(c, back).empty());
  Config all = c;
  for (const std::string& path : key_paths(all)) {
    const std::string leaf = path.substr(path.rfind('.') == std::string::npos ? 0 : path.rfind('.') + 1);
    EXPECT_HAS(text, "\"" + leaf + "\": ");
  }
}

TEST(Config, ResumingMayChangeStepsAndTellings) {
  const Config stored = parse(kSmall);
  Config now = parse(kSmall, {"training.steps=2000", "name=y", "evaluation.every=1", "checkpoint.keep=1",
                              "logging.every=1"});
  EXPECT_TRUE(resume_differences(stored, now).empty());
  EXPECT_EQ(now.schedule.decay_steps, 2000);
  keep_horizon(now, stored);
  EXPECT_EQ(now.schedule.decay_steps, 1000);  // growing steps alters no rate
  now =
      parse(kSmall, {"training.batch_size=9", "model.d_state=3", "data.train=u", "schedule.decay_steps=500"});
  EXPECT_EQ(resume_differences(stored, now),
            (std::vector<std::string>{"data.train", "model.d_state", "schedule.decay_steps",
                                      "training.batch_size"}));
  now = parse(kSmall, {"model.architecture=mean"});
  const auto different = resume_differences(stored, now);
  EXPECT_NE(std::find(different.begin(), different.end(), "model.architecture"), different.end());
  EXPECT_NE(std::find(different.begin(), different.end(), "model.d_conv"), different.end());
}

TEST(Config, ModelOfInitialWeightsIsAdopted) {
  const Config stored = parse(kSmall, {"model.d_state=8", "model.d_model=64"});
  Config c = parse(R"({"data": {"train": "t"}, "initialize": {"from": "run"}, "model": {"dropout": 0.25}})");
  adopt_model(c, stored.model, "run");
  EXPECT_EQ(c.model.d_model, 64);
  EXPECT_EQ(mamba(c).d_state, 8);
  EXPECT_EQ(c.model.dropout, 0.25);
  c = parse(kSmall, {"initialize.from=run", "model.d_model=64"});
  adopt_model(c, stored.model, "run");
  EXPECT_EQ(mamba(c).d_state, 8);  // not given, hence the stored one's
  c = parse(kSmall, {"initialize.from=run", "model.d_state=9"});
  EXPECT_HAS(usage_error([&] { adopt_model(c, stored.model, "run"); }),
             "--set model.d_state=9: model.d_state is 9, but run (initialize.from) has 8");
}

struct Twice : Options {
  int64_t a = 0;
  void fields(Fields& f) override {
    f("a", a, "once");
    f("a", a, "twice");
  }
};

TEST(Config, AKeyListedTwiceIsAnError) {
  Twice twice;
  EXPECT_THROW(key_paths(twice), Error);
}

TEST(Config, NearestByEditDistance) {
  EXPECT_EQ(nearest("lerning_rate", {"eps", "learning_rate"}), "learning_rate");
  EXPECT_EQ(nearest("sdg", {"adamw", "sgd"}), "sgd");
  EXPECT_EQ(nearest("zzz", {"eps", "name"}), "");
}

}  // namespace
}  // namespace adder
