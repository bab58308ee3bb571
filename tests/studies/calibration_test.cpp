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
      {"name": "ngram", "set": {"model": {"architecture": "ngram", "order": 3, "d_model": null, "n_layers": null}, "training": {"steps": null, "batch_size": null}, "schedule": null}}]}],
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
  const JsonValue result = parse_json(R"({"threads": 2, "arms": {"mamba": {"pace": [2e-5, 9e-5, 1e-5]}, "rnn": {"pace": [4e-6, 4e-6, 5e-5]}}})", "result");
  give_time(arms, config, result, "runs/x", model_registry());
  EXPECT_EQ(arms[0].config.training.steps, 100) << "the reference keeps its own";
  EXPECT_EQ(arms[1].config.training.steps, 250) << "100 steps of 32 tokens at 2e-5 s, in steps of 64 tokens at 4e-6 s";
  EXPECT_EQ(arms[1].with_seed(2, model_registry()).training.steps, 250);
  EXPECT_EQ(arms[1].note, "training.steps 250 in the time of mamba, at 250000 tokens/s on 2 threads");
  EXPECT_EQ(arms[2].note, "") << "what counts the text has no steps";
  const JsonValue half = parse_json(R"({"arms": {"mamba": {"pace": [1e-5]}}})", "result");
  expect_error([&] { give_time(arms, config, half, "runs/x", model_registry()); }, "runs/x: tells no pace of rnn");
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

// What would move the steps, or their time, after it was measured.
TEST(Calibration, RefusesWhatWouldUndoIt) {
  const auto refused = [&](const std::string& base, const std::string& more, const std::string& words) {
    const std::string text = R"({"base": {"data": {"train": "x"}, "model": {"d_model": 8, "n_layers": 1}, "training": {"steps": 100, "batch_size": 2, "context_length": 16})" + base + R"(},
      "axes": [{"name": "architecture", "key": "model.architecture", "values": ["mamba", "rnn"]}], "seeds": [1, 2], "measures": [{"name": "quality"}],
      "match": {"budget": "time", "reference": "mamba"})" + more + "}";
    expect_error([&] { arms_of(read_study(parse_json(text, "study"), "study", false), around()); }, words);
  };
  refused("", R"(, "sweep": {"key": "training.batch_size", "values": [2, 4], "seeds": [9]})", "sweep.key is training.batch_size, which changes the time of a step");
  refused(R"(, "schedule": {"decay_steps": 50})", "", "arm mamba has schedule.decay_steps");
  refused(R"(, "evaluation": {"stop_when_solved": true})", "", "evaluation.stop_when_solved");
}

TEST(Calibration, StepsThatMissTheTimeOrDoNotFitTheConfigAreNamed) {
  const StudyConfig config = study(R"({"budget": "time", "reference": "mamba"})");
  std::vector<Arm> arms = arms_of(config, around());
  const JsonValue slow = parse_json(R"({"arms": {"mamba": {"pace": [1e-6]}, "rnn": {"pace": [2e-5]}}})", "result");
  expect_error([&] { give_time(arms, config, slow, "runs/x", model_registry()); }, "2.5 steps of rnn fit into the time of mamba, which whole steps miss");
  StudyConfig warm = config;
  warm.base.tree = parse_json(R"({"data": {"train": "x"}, "model": {"d_model": 8, "n_layers": 1}, "schedule": {"warmup_steps": 60},
    "training": {"steps": 100, "batch_size": 2, "context_length": 16}})", "base");
  arms = arms_of(warm, around());
  const JsonValue half = parse_json(R"({"arms": {"mamba": {"pace": [1e-6]}, "rnn": {"pace": [1e-6]}}})", "result");
  expect_error([&] { give_time(arms, warm, half, "runs/x", model_registry()); }, "50 steps of rnn fit into the time of mamba, and its config refuses them: ");
}

// The number solves the widths, the reference's too; the reference gives the time.
TEST(Calibration, StandsBesideATarget) {
  const std::vector<Arm> arms = arms_of(study(R"({"what": "parameters", "target": 3000, "tolerance": 0.2, "budget": "time", "reference": "mamba"})"), around());
  for (const Arm& arm : arms) {
    if (arm.counts) continue;
    EXPECT_NEAR(double(arm.parameters), 3000, 600) << arm.name;
  }
  expect_error([] { arms_of(study(R"({"what": "parameters", "target": 3000, "reference": "mamba"})"), around()); }, "give either reference or target");
}

}  // namespace
}  // namespace adder::studies
