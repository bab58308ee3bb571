// model.recurrence: the same model whichever way its steps are evaluated, and what it tells of that.
#include "models/recurrence.h"

#include <map>

#include "framework/config/config.h"
#include "framework/core/error.h"
#include "models/gru.h"
#include "tests/models/model_support.h"
#include "tests/support/check.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 11;

ModelConfig config(const std::string& architecture, const std::string& more) {
  const std::string text =
      R"({"model": {"d_model": 9, "n_layers": 2, "architecture": ")" + architecture + "\"" + more + "}}";
  return parse_config(text, "test", {}, model_registry(), Use::stored).model;
}

std::map<std::string, double> told(const Readings& readings) {
  const auto values = readings.values();
  return {values.begin(), values.end()};
}

TEST(Recurrence, LossAndGradientsAreTheSequentialOnes) {
  const Tensor ids = index_input({3, 40}, 1, kVocabulary), labels = index_input({3, 40}, 2, kVocabulary);
  const Tensor resets = resets_at(3, 40, {13, 50, 51});
  for (const char* architecture : {"rnn", "gru", "lstm"})
    for (const char* recurrence : {"deer", "quasi_deer"})
      for (const DType dtype : {DType::f32, DType::f64}) {
        const auto one = make_model(config(architecture, ""), kVocabulary, dtype);
        const auto two =
            make_model(config(architecture, R"(, "recurrence": ")" + std::string(recurrence) + "\""),
                       kVocabulary, dtype);
        const double a = loss_and_gradients(*one, {ids, resets}, labels),
                     b = loss_and_gradients(*two, {ids, resets}, labels);
        EXPECT_NEAR(a, b, dtype == DType::f32 ? 1e-6 : 1e-12) << architecture;
        for (size_t i = 0; i < one->parameters().size(); ++i)
          EXPECT_LE(nmax(two->parameters()[i].grad, one->parameters()[i].grad),
                    dtype == DType::f32 ? 1e-4 : 1e-9)
              << architecture << ", " << recurrence << ", " << one->parameters()[i].name;
      }
}

TEST(Recurrence, TellsItsIterations) {
  const Tensor ids = index_input({3, 40}, 1, kVocabulary);
  const auto readings_of = [&](const std::string& more, int64_t length) {
    const auto model = make_model(config("gru", more), kVocabulary, DType::f32);
    Readings readings;
    Pass pass{.readings = &readings};
    State state;
    model->forward(pass, {row_of(ids, 0, length), {}}, state);
    return readings;
  };
  EXPECT_TRUE(readings_of("", 40).values().empty());
  EXPECT_TRUE(readings_of(R"(, "recurrence": "deer")", 1).values().empty());  // a step is a step
  const Readings good = readings_of(R"(, "recurrence": "deer")", 40);
  auto numbers = told(good);
  EXPECT_EQ(numbers.size(), 4u);
  EXPECT_GE(numbers["deer/iterations"], 1);
  EXPECT_LE(numbers["deer/iterations"], numbers["deer/most_iterations"]);
  EXPECT_LE(numbers["deer/residual"], 1e-6);
  EXPECT_EQ(numbers["deer/fallbacks"], 0);
  EXPECT_TRUE(good.warnings().empty());
  const Readings bad = readings_of(R"(, "recurrence": "deer", "deer_max_iterations": 1)", 40);
  EXPECT_EQ(told(bad)["deer/fallbacks"], 6);  // three rows in two blocks
  ASSERT_EQ(bad.warnings().size(), 1u);
  EXPECT_NE(bad.warnings().begin()->find("run step by step"), std::string::npos);
}

TEST(Recurrence, ALooserToleranceNeedsFewerIterations) {
  const Tensor ids = index_input({1, 60}, 1, kVocabulary);
  const auto iterations = [&](const std::string& tolerance) {
    const auto model =
        make_model(config("gru", R"(, "recurrence": "quasi_deer", "deer_tolerance": )" + tolerance),
                   kVocabulary, DType::f64);
    Readings readings;
    Pass pass{.readings = &readings};
    State state;
    model->forward(pass, {ids, {}}, state);
    return told(readings)["deer/iterations"];
  };
  EXPECT_LT(iterations("1e-2"), iterations("1e-12"));
}

TEST(Recurrence, RefusesWhatItCannotDo) {
  const auto refusal = [](const std::string& architecture, const std::string& more) {
    return message_of([&] { make_model(config(architecture, more), kVocabulary, DType::f32); });
  };
  EXPECT_EQ(refusal("gru", R"(, "recurrence": "deer", "d_hidden": 65)"),
            "[gru] recurrence is \"deer\", which keeps a Jacobian for every step: expected a d_hidden "
            "(d_model where it is "
            "0) of at most 64, found 65; use \"quasi_deer\", which keeps its diagonal");
  EXPECT_NE(refusal("lstm", R"(, "recurrence": "deer", "d_hidden": 33)").find("at most 32, found 33"),
            std::string::npos);
  EXPECT_EQ(refusal("lstm", R"(, "recurrence": "quasi_deer", "d_hidden": 99)"), "no error");
  EXPECT_NE(refusal("rnn", R"(, "recurrence": "deer", "fused": false)").find("fused is false"),
            std::string::npos);
}

TEST(Readings, GatherByName) {
  Readings r;
  r.mean("m", 6, 2), r.mean("m", 3, 1);
  r.largest("l", -2), r.largest("l", -3);
  r.total("t", 1), r.total("t", 4);
  EXPECT_EQ(told(r), (std::map<std::string, double>{{"m", 3}, {"l", -2}, {"t", 5}}));
}

}  // namespace
}  // namespace adder
