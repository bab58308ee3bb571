// Equal time, from paces that are planted: steps, notes, and what is refused.
#include "framework/studies/calibration.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "framework/studies/findings.h"
#include "models/registry.h"
#include "tests/support/check.h"

namespace adder::studies {
namespace {

StudyConfig study(const std::string& match) {
  return read_study(parse_json(R"({"base": {"data": {"train": "x"}, "model": {"d_model": 8, "n_layers": 1},
    "training": {"steps": 100, "batch_size": 2, "context_length": 16}},
    "axes": [{"name": "architecture", "arms": [{"name": "mamba", "set": {"model.architecture": "mamba"}},
      {"name": "rnn", "set": {"model.architecture": "rnn", "training.batch_size": 4}},
      {"name": "ngram", "set": {"model": {"architecture": "ngram", "order": 3, "d_model": null, "n_layers": null}, "training": {"steps": null, "batch_size": null}}}]}],
    "seeds": [1, 2], "measures": [{"name": "quality"}], "match": )" + match + "}", "study"), "study", false);
}

void expect_error(const std::function<void()>& f, const std::string& words) {
  const std::string message = message_of(f);
  EXPECT_NE(message.find(words), std::string::npos) << message;
}

Surroundings around() {
  return {model_registry(), [](const Config&) { return 16; }, [](const Config&) { return std::string("text"); }};
}

TEST(Calibration, StepsFollowFromTheMedianPace) {
  const StudyConfig config = study(R"({"budget": "time", "reference": "mamba"})");
  std::vector<Arm> arms = arms_of(config, around());
  const JsonValue result = parse_json(R"({"arms": {"mamba": {"pace": [2e-5, 9e-5, 1e-5]}, "rnn": {"pace": [4e-6, 4e-6, 5e-5]}}})", "result");
  give_time(arms, config, result, model_registry());
  EXPECT_EQ(arms[0].config.training.steps, 100) << "the reference keeps its own";
  EXPECT_EQ(arms[1].config.training.steps, 250) << "100 steps of 32 tokens at 2e-5 s, in steps of 64 tokens at 4e-6 s";
  EXPECT_EQ(arms[1].with_seed(2, model_registry()).training.steps, 250);
  EXPECT_EQ(arms[1].note, "training.steps 250 in the time of mamba, at 250000 tokens/s");
  EXPECT_EQ(arms[2].note, "") << "what counts the text has no steps";
  const JsonValue half = parse_json(R"({"arms": {"mamba": {"pace": [1e-5]}}})", "result");
  expect_error([&] { give_time(arms, config, half, model_registry()); }, "no pace of rnn");
}

TEST(Calibration, ComesBeforeAllElse) {
  const StudyPlan plan = plan_of(study(R"({"budget": "time", "reference": "mamba"})"), around(), "");
  EXPECT_EQ(plan.stage, Stage::calibrating);
  ASSERT_EQ(plan.jobs.size(), 1u);
  EXPECT_TRUE(plan.jobs[0].timed());
  EXPECT_EQ(plan.jobs[0].arms, (std::vector<size_t>{0, 1}));
}

TEST(Calibration, NeedsAReferenceThatIsTrained) {
  expect_error([] { arms_of(study(R"({"budget": "time"})"), around()); }, "match: budget is \"time\", the training time of match.reference, and there is none");
  for (const char* name : {"gru", "ngram"})
    expect_error([&] { arms_of(study(R"({"budget": "time", "reference": ")" + std::string(name) + R"("})"), around()); }, "no arm that is trained is named");
}

// A value that only the second arm has is a value of the study, and a claim on the first that needs it is refused.
TEST(Arms, ValuesAreThoseOfAllArms) {
  const char text[] = R"({"base": {"data": {"task": {"name": "parity", "length": 8}}, "model": {"architecture": "rnn", "d_model": 8, "n_layers": 1}},
    "axes": [{"name": "length", "key": "data.task.length", "values": [8, 16]}], "seeds": [1], "measures": [{"name": "task"}],
    "claims": [{"id": "x", "statement": "x", "measure": "task.accuracy@16", "arms": ["ARM"], "relation": "at_least", "bound": 0}]})";
  const auto with = [&](const std::string& arm) {
    std::string changed = text;
    return read_study(parse_json(changed.replace(changed.find("ARM"), 3, arm), "study"), "study", false);
  };
  const Surroundings here(model_registry(), [](const Config&) { return 8; }, [](const Config&) { return std::string("task"); });
  const StudyConfig sound = with("16");
  const std::vector<std::string> values = values_of(*sound.measures[0].measure, arms_of(sound, here));
  for (const char* value : {"accuracy@8", "accuracy@16"}) EXPECT_EQ(std::count(values.begin(), values.end(), value), 1) << value;
  expect_error([&] { arms_of(with("8"), here); }, "there is no value \"task.accuracy@16\" of 8");
}

}  // namespace
}  // namespace adder::studies
