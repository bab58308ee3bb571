// A step taken apart: where it ends on a parabola that is known, on every architecture, and as a page.
#include "framework/gradient_lab/step_probe.h"

#include <cmath>

#include "framework/core/error.h"
#include "framework/gradient_lab/probe_report.h"
#include "tests/data/files.h"
#include "tests/gradient_lab/lab_support.h"
#include "tests/gradient_lab/regression_model.h"

namespace adder::lab {
namespace {

TEST(StepLine, FitsAParabolaExactly) {
  const Parabola known{3, -4, 2};  // least at 2
  const LineEnd before{3, -4, 0.5, 2}, after{known.at(1), -4 + 2, 0.25, 7};
  for (const bool weighted : {true, false}) {
    LineEnd first = before, second = after;
    if (!weighted) first.loss_variance = 0;
    const Parabola fit = fit_parabola(first, second);
    EXPECT_NEAR(fit.constant, 3, 1e-12);
    EXPECT_NEAR(fit.slope, -4, 1e-12);
    EXPECT_NEAR(fit.curvature, 2, 1e-12);
    EXPECT_NEAR(fit.alpha(), -0.5, 1e-12);
  }
  // A slope that is not sure counts little: the other three decide.
  const Parabola three = fit_parabola({3, -4, 1e-9, 1e-9}, {known.at(1), 50, 1e-9, 1e9});
  EXPECT_NEAR(three.curvature, 2, 1e-6);
}

TEST(StepLine, AlphaHasNoValueWithoutALeastPointAhead) {
  EXPECT_TRUE(std::isnan((Parabola{0, -1, -1}.alpha()))) << "bent down";
  EXPECT_TRUE(std::isnan((Parabola{0, 1, 1}.alpha()))) << "uphill from the start";
  EXPECT_EQ((Parabola{0, -1, 1}.alpha()), 0);
  EXPECT_EQ((Parabola{0, -1, 2}.alpha()), 1) << "as high as before, on the other side";
}

Config step_config(const std::string& optimizer, const std::string& training = R"("steps": 5, "batch_size": 4, "context_length": 12)") {
  return parse_config(R"({"data": {"train": "unused"}, "precision": "float64", "schedule": {"name": "constant"}, "optimizer": {)" +
                          optimizer + R"(}, "training": {"clip_norm": 0, )" + training + R"(}, "model": {"architecture": "lstm"}})",
                      "test", {}, model_registry());
}

// H = 1: the four inputs are +- the unit vectors, M = 4. So plain gradient descent at rate r has alpha = r - 1.
StepProbe quadratic(double rate) {
  const OneBatch batches(regression_batch({{1, 0}, {-1, 0}, {0, 1}, {0, -1}}, {1, 2, -1, 0.5}));
  Trainer trainer(step_config(R"("name": "sgd", "momentum": 0, "weight_decay": 0, "learning_rate": )" + std::to_string(rate)),
                  std::make_unique<RegressionModel>(std::vector<double>{0.7, -0.3}), batches);
  return probe_step(trainer, batches, flat_values(trainer.model().parameters()), {.products = 40});
}

TEST(StepProbe, OnAQuadraticIsKnown) {
  for (const double rate : {0.25, 0.5, 1.0, 2.0, 3.0}) {
    const StepProbe p = quadratic(rate);
    EXPECT_NEAR(p.alpha, rate - 1, 1e-9) << rate;
    EXPECT_NEAR(p.sharpness.value, 1, 1e-7);
    EXPECT_NEAR(p.trace.value, 2, 1e-7);
    EXPECT_NEAR(p.update, rate * p.gradient, 1e-12);
    EXPECT_EQ(p.from_start, 0);
    ASSERT_EQ(p.line.size(), 13u);
    EXPECT_NEAR(p.line[2].loss, p.loss, 1e-12) << "position 0";
    for (const LinePoint& point : p.line) {
      EXPECT_NEAR(point.loss, p.parabola.at(point.position), 1e-9);
      EXPECT_NEAR(point.distance, std::abs(point.position) * p.update, 1e-12);
    }
  }
}

TEST(StepProbe, AStepThatDoesNotMove) {
  const StepProbe p = quadratic(0);
  EXPECT_TRUE(p.line.empty());
  EXPECT_TRUE(std::isnan(p.alpha));
  for (const StepMeasure& m : step_measures(p)) {
    if (m.key == "alpha") { EXPECT_NE(m.meaning.find("does not move"), std::string::npos); }
  }
}

TEST(StepProbe, RefusesWhatItCannotMeasure) {
  const OneBatch one(regression_batch({{1, 0}}, {1}));
  Trainer alone(step_config(R"("name": "sgd")"), std::make_unique<RegressionModel>(std::vector<double>{1, 1}), one);
  EXPECT_THROW(probe_step(alone, one, {}), Error);
  Config narrow = step_config(R"("name": "sgd")");
  Batch batch;
  batch.ids = lab_ids(2, 6), batch.labels = lab_ids(2, 6, 5);
  const OneBatch two(batch);
  Trainer trainer(narrow, lab_model("lstm", DType::f32), two);
  EXPECT_THROW(probe_step(trainer, two, {}), Error);
}

struct MicroBatches : BatchSource {
  Batch at(int64_t step, int64_t micro) const override {
    Batch batch;
    batch.ids = lab_ids(2, 6, uint64_t(10 + 4 * step + 2 * micro)), batch.labels = lab_ids(2, 6, uint64_t(11 + 4 * step + 2 * micro));
    return batch;
  }
  int64_t batch_size() const override { return 2; }
  int64_t length() const override { return 6; }
};

TEST(StepProbe, EveryArchitecture) {
  const MicroBatches batches;
  for (const LabCase& c : lab_cases()) {
    const auto probe_at = [&](int64_t products) {
      Trainer trainer(step_config(R"("name": "adamw", "learning_rate": 0.001)", R"("steps": 5, "batch_size": 2, "context_length": 6, "accumulate": 2)"),
                      lab_model(c.architecture, DType::f64, c.more), batches);
      return probe_step(trainer, batches, {}, {products});
    };
    const StepProbe p = probe_at(2);
    EXPECT_EQ(p.rows.rows, 4);
    EXPECT_EQ(p.step, 1);
    EXPECT_TRUE(std::isnan(p.from_start));
    EXPECT_GT(p.update, 0);
    EXPECT_EQ(p.gradients.total(), p.rows.size) << c.architecture;
    for (const StepMeasure& m : step_measures(p)) {
      const bool may_have_none = m.key == "alpha" || m.key == "noise_scale";
      EXPECT_TRUE(may_have_none || std::isfinite(m.value)) << c.architecture << " " << m.key;
    }
    EXPECT_LT(p.line[6].loss, p.loss) << c.architecture << ": a small step of Adam's goes down";
    const StepProbe flat = probe_at(0);
    EXPECT_FALSE(flat.curved);
    EXPECT_EQ(flat.loss, p.loss);
  }
}

TEST(StepPage, SaysWhatWasMeasured) {
  const std::string path = testing_data::fresh_folder() + "/p.html";
  const ProbeSubject subject{"lstm: <a step>", {{"model", "a & b"}}, "adder probe a.json --step"};
  const StepProbe p = quadratic(0.5);
  write_step_page(path, p, subject);
  const std::string html = read_text_file(path);
  for (const char* said : {"lstm: &lt;a step&gt;", "a &amp; b", "The loss along the step", "How far the rows agree", "Balles et al. 2017",
                           "Hutchinson 1990", "adder probe a.json --step"})
    EXPECT_NE(html.find(said), std::string::npos) << said;
  EXPECT_EQ(html.find("://"), std::string::npos);
  EXPECT_LT(html.size(), 1'000'000u);
  write_step_page(path, quadratic(0.5), subject);
  EXPECT_EQ(read_text_file(path), html) << "times have no place on it";
  write_step_page(path, quadratic(0), subject);
  EXPECT_EQ(read_text_file(path).find("The loss along the step"), std::string::npos);
}

}  // namespace
}  // namespace adder::lab
