// Gradient flossing: the penalty's gradient, what it does to exponents, and that a run with it stays exact.
#include "framework/training/flossing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "framework/checks/check_op.h"
#include "framework/core/error.h"
#include "framework/gradient_lab/probe.h"
#include "framework/training/trainer.h"
#include "models/registry.h"
#include "tests/gradient_lab/lab_support.h"
#include "tests/support/check.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 7;

Config config_of(const std::string& model, const std::vector<std::string>& settings = {}) {
  const std::string text = R"({"name": "t", "data": {"train": "unused.txt"}, "model": {)" + model + R"(},
    "optimizer": {"learning_rate": 0.01, "weight_decay": 0}, "schedule": {"name": "constant"},
    "training": {"steps": 60, "batch_size": 3, "context_length": 12, "flossing": {"exponents": 3}}})";
  return parse_config(text, "test", settings, model_registry());
}

constexpr char kRnn[] = R"("architecture": "rnn", "d_model": 6, "n_layers": 2, "initialization": "gaussian")";

TokenSpan some_tokens() {
  std::vector<int32_t> ids;
  for (int i = 0; i < 400; ++i) ids.push_back(int32_t(i * i % kVocabulary));
  return TokenSpan::from(ids);
}

struct SmallRun {
  Config config;
  RandomWindows batches;
  Trainer trainer;
  explicit SmallRun(const Config& c)
      : config(c), batches(some_tokens(), {c.training.batch_size, c.training.context_length, c.training.accumulate}, 1),
        trainer(c, model_registry().make(c.model, kVocabulary, 1, c.dtype()), batches) {}
};

// The penalty of a pass; its gradients are left in the parameters where `record`.
double penalty_of(Model& model, const Tensor& ids, const FlossingConfig& c, bool record) {
  Tape tape;
  Tangents asked = flossing_request(c, ids.dim(1));
  Readings readings;
  Pass pass{.tape = record ? &tape : nullptr, .seed = 3, .step = 5};
  pass.readings = &readings, pass.tangents = &asked;
  State state;
  model.forward(pass, {ids, {}}, state);
  double sum = 0;
  std::vector<std::pair<Var, Tensor>> outputs;
  for (const auto& [term, weight] : flossing_terms(c, asked, pass)) {
    sum += weight * term.value().item();
    outputs.emplace_back(term, Tensor::full({}, weight, DType::f64));
  }
  if (record) tape.backward(outputs);
  return sum;
}

TEST(Flossing, GradientOfThePenalty) {
  FlossingConfig c;
  c.exponents = 3, c.sequences = 2, c.horizon = 6, c.weight = 0.7;
  const Tensor ids = lab_ids(3, 8);
  for (const char* architecture : {"rnn", "gru", "lstm"}) {
    const auto model = lab_model(architecture);
    EXPECT_GT(penalty_of(*model, ids, c, true), 0);
    int reached = 0;
    for (const char* name : {"blocks.0.mixer.weight_hh", "blocks.1.mixer.weight_hh", "blocks.1.mixer.weight_ih",
                             "blocks.1.mixer.bias_hh", "blocks.1.norm.weight", "embedding.weight"}) {
      Parameter& p = *model->parameters().find(name);
      const Tensor grad = p.grad.clone(), direction = normal_input(p.value.shape(), 9), start = p.value.clone();
      double slope = 0;
      for (int64_t i = 0; i < grad.size(); ++i) slope += grad.item(i) * direction.item(i);
      const auto at = [&](double h) {
        for (int64_t i = 0; i < grad.size(); ++i) p.value.data<double>()[i] = start.item(i) + h * direction.item(i);
        const double value = penalty_of(*model, ids, c, false);
        p.value.copy_from(start);
        return value;
      };
      const double h = 1e-4;  // (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h
      const double want = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
      EXPECT_NEAR(slope, want, 1e-7 * std::abs(want) + 1e-9) << architecture << " " << name;
      reached += std::abs(slope) > 1e-6;
    }
    EXPECT_EQ(reached, 6) << architecture << ": the penalty reaches the recurrent weights, and what moves the states";
  }
}

std::vector<double> exponents_of(Model& model, const Config& c, int64_t count) {
  const auto wide = model_registry().make(c.model, kVocabulary, 1, DType::f64);
  for (size_t i = 0; i < wide->parameters().size(); ++i)
    wide->parameters()[i].value.copy_from(model.parameters()[i].value.to(DType::f64));
  std::vector<double> list;
  const Tensor ids = Tensor::empty({1, 120}, DType::i32);
  some_tokens().copy(100, 120, ids.data<int32_t>());
  for (const lab::Spectrum& s : lab::spectra(*wide, ids, count))
    list.insert(list.end(), s.lyapunov.exponents.begin(), s.lyapunov.exponents.end());
  return list;
}

double farthest_from_zero(const std::vector<double>& x) {
  double most = 0;
  for (const double v : x) most = std::max(most, std::abs(v));
  return most;
}

// Measured by the lab's own spectrum, over four times the horizon.
TEST(Flossing, DrawsExponentsToZero) {
  const std::string model = R"("architecture": "rnn", "d_model": 8, "n_layers": 1, "initialization": "gaussian")";
  const std::string longer = "training.context_length=32";
  const Config flossed = config_of(model, {longer}), plain = config_of(model, {longer, "training.flossing.exponents=0"});
  SmallRun with(flossed), without(plain);
  const double start = farthest_from_zero(exponents_of(with.trainer.model(), flossed, 3));
  for (int i = 0; i < 90; ++i) with.trainer.step(), without.trainer.step();
  const double end = farthest_from_zero(exponents_of(with.trainer.model(), flossed, 3));
  const double unflossed = farthest_from_zero(exponents_of(without.trainer.model(), plain, 3));
  EXPECT_GT(start, 0.5);
  EXPECT_LT(end, start / 3);
  EXPECT_LT(end, unflossed / 3);
}

void expect_same(const Checkpoint& a, const Checkpoint& b) {
  ASSERT_EQ(a.model.size(), b.model.size());
  for (size_t i = 0; i < a.model.size(); ++i)
    EXPECT_EQ(0, std::memcmp(a.model[i].value.raw(), b.model[i].value.raw(),
                             size_t(a.model[i].value.size()) * bytes_of(a.model[i].value.dtype()))) << a.model[i].name;
}

TEST(Flossing, ResumesToTheSameBits) {
  for (const std::string state : {"reset", "carry"}) {
    const Config c = config_of(kRnn, {"training.state=" + state, "training.flossing.every=2", "training.accumulate=2"});
    SmallRun whole(c), first(c), second(c);
    for (int i = 0; i < 6; ++i) whole.trainer.step();
    for (int i = 0; i < 3; ++i) first.trainer.step();
    second.trainer.restore(first.trainer.snapshot(), "memory");
    for (int i = 0; i < 3; ++i) second.trainer.step();
    expect_same(whole.trainer.snapshot(), second.trainer.snapshot());
  }
}

TEST(Flossing, ActsWhenItIsAskedTo) {
  FlossingConfig c;
  EXPECT_FALSE(flosses(c, 1));
  c.exponents = 2;
  EXPECT_TRUE(flosses(c, 1) && flosses(c, 1000));
  c.every = 3, c.steps = 5;
  std::vector<int64_t> steps;
  for (int64_t step = 1; step < 20; ++step)
    if (flosses(c, step)) steps.push_back(step);
  EXPECT_EQ(steps, (std::vector<int64_t>{1, 4}));
}

TEST(Flossing, TellsWhatItSeesAndLeavesTheLossAlone) {
  const Config flossed = config_of(kRnn), plain = config_of(kRnn, {"training.flossing.exponents=0"});
  SmallRun with(flossed), without(plain);
  const StepReport report = with.trainer.step();
  EXPECT_EQ(report.loss, without.trainer.step().loss) << "the loss that is told is without the penalty";
  std::map<std::string, double> told;
  for (const auto& [name, value] : report.readings.values()) told[name] = value;
  ASSERT_TRUE(told.contains("flossing/penalty") && told.contains("flossing/exponent/blocks.1"));
  EXPECT_LT(told["flossing/exponent/blocks.1"], 0);
  EXPECT_GE(told["flossing/penalty"], std::pow(told["flossing/exponent/blocks.1"], 2));
}

TEST(Flossing, Refusals) {
  const auto refused = [](const std::string& model, const std::vector<std::string>& settings) {
    return message_of([&] { SmallRun run(config_of(model, settings)); });
  };
  const auto has = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(refused(R"("architecture": "mamba", "d_model": 6, "n_layers": 1)", {}), "expected rnn (tanh), lstm or gru among them");
  has(refused(kRnn, {"training.recompute=true"}), "training.recompute keeps nothing of a block");
  has(refused(kRnn, {"data.documents=separate"}), "data.documents \"separate\"");
  has(refused(kRnn, {"training.flossing.horizon=13"}), "training.flossing.horizon is 13, expected at most training.context_length, 12");
  has(refused(kRnn, {"training.flossing.every=0"}), "training.flossing.every");
  has(refused(kRnn, {"model.nonlinearity=relu"}), "expected rnn (tanh), lstm or gru among them");
  has(refused(kRnn, {"training.flossing.weight=-1"}), "training.flossing.weight");
  has(refused(kRnn, {"training.flossing.exponent=3"}), "did you mean training.flossing.exponents");
}

}  // namespace
}  // namespace adder
