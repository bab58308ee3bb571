// data.task: keys that depend on its name, what follows from it, and what does not go with it.
#include <gtest/gtest.h>

#include <cmath>

#include "framework/config/config.h"
#include "framework/core/error.h"
#include "framework/data/tasks/task.h"
#include "models/registry.h"
#include "tests/support/check.h"

namespace adder {
namespace {

Config parse(const std::string& task, const std::vector<std::string>& overrides = {}, Use use = Use::train) {
  return parse_config("{\"data\": {\"task\":\n" + task + "},\n \"model\": {\"architecture\": \"lstm\"}}", "t.json", overrides,
                      model_registry(), use);
}
std::string error(const std::string& task, const std::vector<std::string>& overrides = {}) {
  return message_of([&] { parse(task, overrides); });
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
#define EXPECT_SAYS(text, part) EXPECT_TRUE(has(text, part)) << "found: " << (text) << "\nlacks: " << (part)

constexpr char kParity[] = R"({"name": "parity"})";

TEST(TaskConfig, TheNameBringsKeysAndDefaults) {
  const Config c = parse(R"({"name": "copy_memory", "length": 50, "tokens": 5, "evaluation_lengths": [200, 50, 100]})");
  EXPECT_EQ(c.data.task.name, "copy_memory");
  EXPECT_EQ(c.training.context_length, 60);
  EXPECT_EQ(c.data.task.lengths(), (std::vector<int64_t>{50, 100, 200}));
  EXPECT_EQ(c.data.task.goal_length(), 50);
  EXPECT_NEAR(c.data.task.threshold, 0.1 * 5 * std::log(8) / 60, 1e-12);
  EXPECT_EQ(task_of(c.data.task).vocabulary(), 10);
  EXPECT_TRUE(c.data.train.empty());
  EXPECT_EQ(parse(R"({"name": "parity", "threshold": 0.5, "threshold_length": 99})").data.task.lengths(),
            (std::vector<int64_t>{16, 99}));
}

TEST(TaskConfig, TheResolvedConfigReadsBack) {
  for (const TaskKind& kind : task_kinds()) {
    const std::string once = to_json(parse("{\"name\": \"" + kind.name + "\"}"));
    for (const Use use : {Use::train, Use::stored})
      EXPECT_EQ(to_json(parse_config(once, "again.json", {}, model_registry(), use)), once) << kind.name;
  }
  const std::string text = to_json(parse_config(R"({"data": {"train": "t.txt"}, "model": {"architecture": "lstm"}})", "x.json",
                                                {}, model_registry()));
  EXPECT_EQ(to_json(parse_config(text, "again.json", {}, model_registry())), text);
}

TEST(TaskConfig, SaysWhatIsWrongAndWhere) {
  EXPECT_SAYS(error(R"({"name": "partiy"})"), "t.json:2:10: data.task.name: unknown task \"partiy\"; did you mean \"parity\"?");
  EXPECT_SAYS(error(R"({"length": 9})"), "data.task.name is missing; known: adding, copy_memory");
  EXPECT_SAYS(error(R"({"name": "parity", "lenght": 9})"), "t.json:2:20: unknown key data.task.lenght; did you mean data.task.length?");
  EXPECT_SAYS(error(R"({"name": "parity", "depth": 9})"),
              "data.task.depth belongs to the task dyck; data.task.name is \"parity\": remove the key, or change the task");
  EXPECT_SAYS(error(kParity, {"data.task.length=0"}), "data.task.length: expected an integer of at least 1, found integer 0");
  EXPECT_SAYS(error(kParity, {"data.task.evaluation_lengths=[3, 0]"}),
              "data.task.evaluation_lengths: expected a list of integers, each of at least 1, found integer 0 in the list");
  EXPECT_SAYS(error(kParity, {"data.task.evaluation_lengths=[2.5]"}), "found number 2.5 in the list");
  EXPECT_SAYS(error(kParity, {"data.task.evaluation_lengths=[3000000000]"}), "in the list; the most is 2147483647");
  EXPECT_SAYS(error(kParity, {"data.task.threshold=1.5"}), "data.task.threshold is 1.5, but the metric of the task parity is a share");
  EXPECT_EQ(error(R"({"name": "adding"})", {"data.task.threshold=1.5"}), "no error");
  EXPECT_SAYS(error(kParity, {"data.task.evaluation_lengths=7"}), "expected a list of integers");
  EXPECT_SAYS(error(kParity, {"data.task.min_length=17"}), "data.task.min_length is 17, expected at most data.task.length, 16");
  EXPECT_SAYS(error(R"({"name": "group_word", "group": "S4"})"), "expected one of \"S3\", \"A5\", \"S5\", found string \"S4\"");
}

TEST(TaskConfig, LengthsMustHaveExamples) {
  EXPECT_SAYS(error(R"({"name": "mqar", "length": 31, "pairs": 4})"), "length 31: expected an even number");
  EXPECT_SAYS(error(R"({"name": "mqar", "length": 14, "pairs": 4})"), "length 14: expected at least 4 data.task.pairs, 16");
  EXPECT_SAYS(error(R"({"name": "mqar", "vocabulary": 8, "pairs": 4})"), "expected at most the keys there are, vocabulary / 2 - 1 = 3");
  EXPECT_SAYS(error(R"({"name": "selective_copying", "length": 15})"), "length 15: expected at least data.task.tokens, 16");
  EXPECT_SAYS(error(R"({"name": "induction_heads", "evaluation_lengths": [2]})"), "length 2: expected at least 3");
  EXPECT_SAYS(error(R"({"name": "temporal_order", "min_length": 9})"), "length 9: expected at least 10");
  EXPECT_SAYS(error(R"({"name": "adding", "threshold_length": 1})"), "length 1: expected at least 2");
}

TEST(TaskConfig, WhatIsForTextDoesNotGoWithIt) {
  EXPECT_SAYS(error(R"({"name": "parity"}, "train": "t.txt")"), "data.train is given beside data.task");
  EXPECT_SAYS(error(R"({"name": "parity"}, "batches": "b.h5")"), "data.batches is given beside data.task");
  EXPECT_SAYS(error(kParity, {"data.tokenizer=char"}), "data.tokenizer is given beside data.task");
  EXPECT_SAYS(error(kParity, {"data.generated.name=markov"}), "data.generated is given beside data.task");
  EXPECT_SAYS(error(kParity, {"model.architecture=ngram"}), "the architecture ngram counts a text");
  EXPECT_SAYS(error(kParity, {"data.validation=v.txt"}), "data.validation is given beside data.task");
  EXPECT_SAYS(error(kParity, {"evaluation.window=3"}), "evaluation.window is given beside data.task");
  EXPECT_SAYS(error(kParity, {"evaluation.state=carry"}), "evaluation.state is given beside data.task");
  EXPECT_SAYS(error(kParity, {"training.state=carry"}), "every example of a task stands alone");
  EXPECT_SAYS(error(kParity, {"training.context_length=17"}),
              "training.context_length is 17, but the task parity has rows of 16 positions");
  EXPECT_EQ(error(kParity, {"training.context_length=16"}), "no error");
  EXPECT_SAYS(message_of([] {
                parse_config(R"({"data": {"train": "t.txt"}, "model": {"architecture": "lstm"}, "evaluation": {"stop_when_solved": true}})",
                             "x.json", {}, model_registry());
              }),
              "evaluation.stop_when_solved needs a task");
}

TEST(TaskConfig, LearnedPositionsCoverEveryLength) {
  const std::vector<std::string> learned = {"model.positions=learned"};
  EXPECT_EQ(parse(kParity, learned).model.max_positions, 16);
  EXPECT_SAYS(error(R"({"name": "parity", "evaluation_lengths": [64]})", learned),
              "model.max_positions is 16, but an example of length 64 (data.task) has 64 positions");
  EXPECT_EQ(error(R"({"name": "parity", "evaluation_lengths": [64]})", {"model.positions=learned", "model.max_positions=64"}),
            "no error");
}

TEST(TaskConfig, RealInputsHaveNoEmbedding) {
  const Config c = parse(R"({"name": "adding"})");
  EXPECT_EQ(c.model.features, 2);
  EXPECT_FALSE(c.model.tie_embeddings);
  EXPECT_EQ(parse(kParity).model.features, 0);
  EXPECT_TRUE(parse(kParity).model.tie_embeddings);
  EXPECT_SAYS(error(R"({"name": "adding"})", {"model.tie_embeddings=true"}), "model.tie_embeddings does not go with the task adding");
  EXPECT_SAYS(error(R"({"name": "adding"})", {"training.z_loss=0.1"}), "training.z_loss does not go with the task adding");
}

TEST(TaskConfig, AResumedRunMayEvaluateOtherLengths) {
  const Config stored = parse(kParity);
  EXPECT_TRUE(resume_differences(stored, parse(kParity, {"data.task.evaluation_lengths=[99]", "data.task.evaluation_examples=3",
                                                         "evaluation.stop_when_solved=true"})).empty());
  EXPECT_EQ(resume_differences(stored, parse(kParity, {"data.task.min_length=4"})),
            std::vector<std::string>{"data.task.min_length"});
}

const JsonValue& at(const JsonValue& schema, const std::vector<std::string>& path) {
  const JsonValue* value = &schema;
  for (const std::string& key : path) {
    value = value->find(key);
    if (!value) throw Error("the schema lacks " + key);
  }
  return *value;
}

TEST(TaskConfig, SchemaAndReferenceTellEveryTask) {
  const JsonValue schema = parse_json(json_schema(model_registry()), "schema");
  const JsonValue& task = at(schema, {"properties", "data", "properties", "task"});
  EXPECT_EQ(at(task, {"allOf"}).items.size(), task_kinds().size());
  EXPECT_EQ(at(task, {"properties", "evaluation_lengths", "items", "type"}).string, "integer");
  for (const JsonValue& rule : at(task, {"allOf"}).items) {
    const std::string name = at(rule, {"if", "properties", "name", "const"}).string;
    EXPECT_NO_THROW(at(rule, {"then", "properties", "length", "default"})) << name;
    EXPECT_NO_THROW(at(task, {"properties", "length"}));
    const std::string allowed = dump(at(rule, {"then", "propertyNames", "enum"}), -1);
    EXPECT_TRUE(has(allowed, "\"threshold\"") && has(allowed, "\"length\"")) << name;
    EXPECT_EQ(has(allowed, "\"pairs\""), name == "mqar");
  }
  const std::string reference = markdown_reference(model_registry());
  for (const TaskKind& kind : task_kinds()) EXPECT_SAYS(reference, "## `data.task`, task `" + kind.name + "`");
  EXPECT_SAYS(reference, "## `data.task`\n");
  EXPECT_SAYS(reference, "| `evaluation_lengths` | a list of integers, each of at least 1 |");
}

}  // namespace
}  // namespace adder
