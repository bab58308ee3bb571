// muP: what it is at the base width, what it does to starts, rates and multipliers at others.
#include <gtest/gtest.h>

#include <cmath>

#include "framework/core/error.h"
#include "framework/training/trainer.h"
#include "tests/models/model_support.h"
#include "tests/models/one_batch.h"
#include "tests/support/check.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 13;
const std::vector<std::string> kSupported = {"attention", "gru", "lstm", "min_gru", "min_lstm", "rnn"};

Config config_of(const std::string& architecture, int64_t width, const std::string& more = "",
                 const std::vector<std::string>& settings = {}) {
  const std::string text = R"({"data": {"train": "unused.txt"}, "optimizer": {"learning_rate": 0.01},
    "model": {"architecture": ")" + architecture + R"(", "n_layers": 2, "d_model": )" + std::to_string(width) +
                           R"(, "output": "linear", "tie_embeddings": false, "mlp": "gelu")" + more + "}}";
  return parse_config(text, architecture, settings, model_registry());
}
constexpr char kMup[] = R"(, "parametrisation": "mup", "base_width": 16)";

TEST(Mup, AtTheBaseWidthItIsTheStandardParametrisation) {
  const OneBatch batches(7, kVocabulary);
  for (const std::string& name : kSupported) {
    const Config mup = config_of(name, 16, kMup), standard = config_of(name, 16);
    Trainer one(mup, make_model(mup.model, kVocabulary, DType::f32), batches);
    Trainer other(standard, make_model(standard.model, kVocabulary, DType::f32), batches);
    for (int step = 0; step < 3; ++step) EXPECT_EQ(one.step().loss, other.step().loss) << name;
    for (size_t i = 0; i < one.model().parameters().size(); ++i)
      EXPECT_EQ(bits(one.model().parameters()[i].value), bits(other.model().parameters()[i].value))
          << name << " " << one.model().parameters()[i].name;
  }
}

double deviation(const Tensor& x) {
  double squares = 0;
  for (int64_t i = 0; i < x.size(); ++i) squares += x.item(i) * x.item(i);
  return std::sqrt(squares / double(x.size()));
}

// Of matrices, at four times the base width: half the deviation and a quarter of the rate where both sides grow, else both as
// they were.
TEST(Mup, StartsAndRates) {
  for (const std::string& name : kSupported) {
    const auto base = make_model(config_of(name, 32, R"(, "parametrisation": "mup", "base_width": 32)").model, kVocabulary, DType::f64);
    const auto wide = make_model(config_of(name, 128, R"(, "parametrisation": "mup", "base_width": 32)").model, kVocabulary, DType::f64);
    for (size_t i = 0; i < base->parameters().size(); ++i) {
      const Parameter &b = base->parameters()[i], &w = wide->parameters()[i];
      ASSERT_EQ(b.name, w.name);
      const bool hidden = b.value.rank() == 2 && w.value.dim(0) != b.value.dim(0) && w.value.dim(1) != b.value.dim(1);
      EXPECT_EQ(w.rate, hidden ? 0.25 : 1) << name << " " << b.name;
      EXPECT_EQ(b.rate, 1) << name << " " << b.name;
      const double size = deviation(b.value);
      if (size == 0) continue;
      EXPECT_NEAR(deviation(w.value) / size, hidden ? 0.5 : 1, 0.2) << name << " " << b.name;
    }
  }
}

// Adam's first step moves every element by the rate, whatever its gradient.
TEST(Mup, TheOptimizersMoveAParameterByItsShare) {
  for (const std::string rule : {"adamw", "lion"}) {
    ParameterList list(1, DType::f64);
    Parameter& whole = ParameterScope(list).add("a", {3}, init::constant(0));
    Parameter& part = ParameterScope(list).add("b", {3}, init::constant(0));
    part.rate = 0.25;
    for (Parameter* p : {&whole, &part}) p->grad = Tensor::full({3}, 2, DType::f64);
    OptimizerOptions options;
    options.name = rule, options.eps = 0;
    make_optimizer(options, list)->step(0.1);
    EXPECT_NEAR(whole.value.item(0), -0.1, 1e-12) << rule;
    EXPECT_NEAR(part.value.item(0), -0.025, 1e-12) << rule;
  }
}

TEST(Mup, MultipliesTheLogits) {
  const auto model = make_model(config_of("rnn", 64, kMup).model, kVocabulary, DType::f64);
  const Tensor ids = index_input({1, 5}, 1, kVocabulary);
  Tensor last;
  Pass pass;
  State state;
  const Tensor logits =
      model->forward(pass, {ids, {}}, state, [&](const std::string& name, Var& x) { if (name == "final") last = x.value(); }).value();
  const Tensor head = model->parameters().find("head.weight")->value;
  double want = 0;
  for (int64_t d = 0; d < 64; ++d) want += last.item(3 * 64 + d) * head.item(2 * 64 + d) / 4;
  EXPECT_NEAR(logits.item(3 * kVocabulary + 2), want, 1e-12);
}

// At four times the base width with 1/head_dim: the logits of attention are half of those with 1/sqrt(head_dim).
TEST(Mup, AttentionsScale) {
  const auto heads = [](const std::string& more) { return config_of("attention", 64, R"(, "rotary": "none")" + more).model; };
  const auto mup = make_model(heads(kMup), kVocabulary, DType::f64), standard = make_model(heads(""), kVocabulary, DType::f64);
  for (size_t i = 0; i < mup->parameters().size(); ++i) standard->parameters()[i].value.copy_from(mup->parameters()[i].value);
  for (int block = 0; block < 2; ++block) {
    const Tensor qkv = standard->parameters().find("blocks." + std::to_string(block) + ".mixer.qkv_proj.weight")->value;
    for (int64_t i = 0; i < 64 * 64; ++i) qkv.data<double>()[i] *= 0.5;  // the rows of q
  }
  const Tensor ids = index_input({1, 9}, 1, kVocabulary);
  const auto last = [&](Model& model) {
    Tensor x;
    Pass pass;
    State state;
    model.forward(pass, {ids, {}}, state, [&](const std::string& name, Var& v) { if (name == "final") x = v.value(); });
    return x;
  };
  EXPECT_LT(nmax(last(*mup), last(*standard)), 1e-12);
}

TEST(Mup, Refusals) {
  const auto refused = [](const std::string& architecture, const std::string& more, const std::vector<std::string>& settings = {}) {
    return message_of([&] { make_model(config_of(architecture, 32, more, settings).model, kVocabulary, DType::f32); });
  };
  const auto has = [](const std::string& text, const std::string& part) { EXPECT_NE(text.find(part), std::string::npos) << text; };
  for (const char* name : {"mamba", "mamba2", "lru", "s4d", "linear_ssm"})
    has(refused(name, kMup), std::string("which has no settled rule for ") + name);
  has(refused("rnn", R"(, "parametrisation": "mup")"), "which needs model.base_width");
  has(refused("rnn", R"(, "base_width": 8)"), "model.base_width belongs to model.parametrisation \"mup\"");
  has(refused("rnn", kMup + std::string(R"(, "d_hidden": 8)")), "[rnn] d_hidden is 8, but with model.parametrisation \"mup\" every width");
  has(refused("attention", kMup + std::string(R"(, "head_dim": 8)")), "[attention] head_dim is 8");
  has(refused("gru", kMup + std::string(R"(, "d_mlp": 8)")), "[mlp] d_mlp is 8");
  has(refused("lstm", kMup, {"optimizer.name=muon"}), "has the rates of adamw and lion; optimizer.name is \"muon\"");
}

}  // namespace
}  // namespace adder
