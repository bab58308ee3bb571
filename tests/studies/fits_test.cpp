// Scaling laws as parts of a study: which are refused, and that the floor of a text of known entropy is found.
#include "framework/studies/fits.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/core/random.h"
#include "framework/data/markov_chain.h"
#include "framework/studies/findings.h"
#include "models/registry.h"
#include "tests/support/check.h"

namespace adder::studies {
namespace {

std::string study(const std::string& widths, const std::string& fits) {
  return R"({"base": {"data": {"generated": {"name": "markov", "symbols": 16, "order": 2, "concentration": 0.3, "train_tokens": 5000, "validation_tokens": 500}},
    "model": {"architecture": "rnn", "n_layers": 1}, "training": {"batch_size": 2, "context_length": 16}},
    "axes": [{"name": "width", "key": "model.d_model", "values": )" + widths + R"(}, {"name": "steps", "key": "training.steps", "values": [10, 40, 160]}],
    "seeds": [1, 2, 3], "measures": [{"name": "quality"}, {"name": "size"}], "fits": )" + fits + "}";
}

StudyPlan plan_of(const std::string& text) {
  const Surroundings around(model_registry(), [](const Config&) { return 16; }, [](const Config&) { return std::string("text"); });
  return plan_of(read_study(parse_json(text, "study"), "study", false), around, "");
}

// Losses of models that end at the chain's entropy, by a law with an exponent each.
TEST(Fits, TheFloorCoversTheEntropyOfAMarkovChain) {
  GeneratedOptions options;
  options.name = "markov";
  const double entropy = *make_source(options)->entropy_rate();
  const StudyPlan plan = plan_of(study("[4, 8, 16, 32, 64]", R"([{"id": "floor", "law": "both", "draws": 200}])"));
  const statistics::ScalingConstants law{entropy, 8, 0.5, 60, 0.6};
  const Random random(4, "losses");
  Findings findings;
  uint64_t draw = 0;
  for (const Arm& arm : plan.arms) {
    Sample& sample = findings.samples["quality.loss"][arm.name];
    const double tokens = double(arm.config.training.steps * 2 * 16);
    for (int64_t seed = 1; seed <= 3; ++seed) {
      sample.keys.push_back(seed);
      sample.values.push_back(law.at(double(arm.parameters), tokens) * std::exp(0.005 * random.normal(draw++)));
    }
    findings.entropy_rates[arm.name] = findings.source_losses[arm.name] = entropy;
  }
  const std::vector<FitFinding> fits = fits_of(plan, findings);
  ASSERT_EQ(fits.size(), 1u);
  EXPECT_EQ(fits[0].points.size(), 45u);
  EXPECT_TRUE(fits[0].covers(entropy)) << fits[0].fit.floor.low << " to " << fits[0].fit.floor.high << ", entropy " << entropy;
  EXPECT_LT(fits[0].fit.floor.high - fits[0].fit.floor.low, 1) << "an interval that says something";
  const std::string json = dump(fits_json(plan, fits));
  EXPECT_NE(json.find("\"E_covers_entropy_rate\": true"), std::string::npos) << json;
  findings.entropy_rates[plan.arms[0].name] = entropy + 1;
  EXPECT_TRUE(std::isnan(fits_of(plan, findings)[0].entropy_rate)) << "arms of two texts have no one floor";
}

TEST(Fits, WithoutRunsThereIsNone) {
  const StudyPlan plan = plan_of(study("[4, 8, 16, 32]", R"([{"id": "floor"}])"));
  const std::vector<FitFinding> fits = fits_of(plan, Findings());
  EXPECT_EQ(fits[0].missing, 36);
  EXPECT_NE(fits[0].why.find("0 different sizes"), std::string::npos);
}

TEST(Fits, RefusedBeforeTheFirstRun) {
  const auto refused = [](const std::string& widths, const std::string& fits) { return message_of([&] { plan_of(study(widths, fits)); }); };
  EXPECT_NE(refused("[4, 8, 16]", R"([{"id": "f"}])").find("fits: f: 3 different sizes can't tell its 3 constants, expected at least 4"), std::string::npos);
  EXPECT_NE(refused("[4, 8]", R"([{"id": "f", "law": "both"}])").find("2 different numbers of parameters can't tell an exponent"), std::string::npos);
  EXPECT_NE(refused("[4, 8, 16, 32]", R"([{"id": "f", "measure": "size.flops"}])").find("there is no value \"size.flops\" of trained models, of 4"), std::string::npos);
  EXPECT_NE(refused("[4, 8, 16, 32]", R"([{"id": "f", "arms": ["12"]}])").find("there is no arm \"12\""), std::string::npos);
  EXPECT_NE(refused("[4, 8, 16, 32]", R"([{"id": "f"}, {"id": "f"}])").find("two are named f"), std::string::npos);
  EXPECT_NE(refused("[4, 8, 16, 32]", R"([{"law": "both"}])").find("each needs an id"), std::string::npos);
  EXPECT_NE(refused("[4, 8, 16, 32]", R"([{"id": "f", "law": "N"}])").find("law"), std::string::npos);
}

}  // namespace
}  // namespace adder::studies
