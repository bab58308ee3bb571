// check_model on every architecture that there is; and models that break one promise each, which it must
// find.
#include "framework/checks/check_model.h"

#include <gtest/gtest.h>

#include "framework/config/config.h"
#include "framework/core/error.h"
#include "framework/ops/activation.h"
#include "framework/ops/add.h"
#include "framework/ops/embedding.h"
#include "framework/ops/linear.h"
#include "framework/ops/scan.h"
#include "kernels/parallel.h"
#include "kernels/simd_target.h"
#include "models/registry.h"
#include "tests/support/check.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 13;

ModelConfig small(const std::string& architecture, const std::string& more = "") {
  const std::string text =
      R"({"model": {"architecture": ")" + architecture + R"(", "n_layers": 2, "d_model": 16)" + more + "}}";
  return parse_config(text, architecture, {}, model_registry(), Use::stored).model;
}

void expect_all(const std::string& name, const ModelConfig& config,
                const std::vector<std::string>& only = {}) {
  const ModelReport report =
      check_model(model_registry(), config, kVocabulary, {.memory_length = 256, .only = only});
  EXPECT_TRUE(report.ok()) << name << "\n" << report.text();
  EXPECT_EQ(report.checks.size(), only.empty() ? model_check_names().size() : only.size());
}

TEST(CheckModel, EveryArchitecture) {
  for (const Architecture& a : model_registry().architectures())
    if (!a.counts) expect_all(a.name, small(a.name));
}

TEST(CheckModel, OfOneThatCountsWhatNeedsNoGradient) {
  const ModelConfig config =
      parse_config(R"({"model": {"architecture": "ngram", "order": 3}})", "ngram", {}, model_registry(), Use::stored).model;
  const ModelReport report = check_model(model_registry(), config, kVocabulary);
  EXPECT_TRUE(report.ok()) << report.text();
  EXPECT_EQ(report.checks.size(), 5u);
}

TEST(CheckModel, EveryArchitectureBesideMamba) {
  for (const Architecture& a : model_registry().architectures()) {
    if (a.counts) continue;
    expect_all(
        "mamba and " + a.name,
        small(kHybrid, R"(, "blocks": [{"architecture": "mamba"}, {"architecture": ")" + a.name + R"("}])"),
        {"chunks", "ragged", "resume"});
  }
}

TEST(CheckModel, TheSkeletonsSwitches) {
  expect_all("gpt", small("mamba", R"(, "positions": "learned", "max_positions": 37, "norm": "layer_norm",
      "mlp": "gelu", "mlp_bias": true, "head_bias": true, "tie_embeddings": false, "dropout": 0.1)"));
  expect_all("glu",
             small("mamba", R"(, "norm": "none", "activation": "gelu", "output": "glu", "mlp": "swiglu")"));
  expect_all("kinks", small("mamba", R"(, "activation": "relu", "output": "linear", "mlp": "relu_squared")"));
}

TEST(CheckModel, ProductsInBf16) {
  for (const char* architecture : {"attention", "mamba"}) {
    ModelConfig config = small(architecture);
    config.bf16 = true;
    expect_all(std::string(architecture) + " in bf16", config);
  }
}

TEST(CheckModel, RecurrencesInParallelOverTime) {
  for (const char* recurrence : {"deer", "quasi_deer"})
    for (const char* architecture : {"rnn", "gru", "lstm"})
      expect_all(std::string(architecture) + " by " + recurrence,
                 parse_config(R"({"model": {"n_layers": 1, "d_model": 6, "architecture": ")" + std::string(architecture) +
                                  R"(", "recurrence": ")" + recurrence + "\"}}",
                              architecture, {}, model_registry(), Use::stored)
                     .model);
}

// ---- failure injection ----------------------------------------------------------------------------------

enum class Fault {
  none,
  leaks_over_resets,
  step_differs,
  drops_the_state,
  row_sees_the_batch,
  step_sees_the_batch,
  forgets_a_gradient,
  wrong_gradient,
  remembers_the_run,
  counts_threads,
  looks_at_the_target,
  quadratic,
  throws,
};

// h_t = sigmoid(gate) h_{t-1} + embedding_t; logits = head(tanh(h)). All that a language model needs.
class FakeModel : public Model {
 public:
  FakeModel(int64_t vocabulary, int64_t width, uint64_t seed, DType dtype, Fault fault)
      : parameters_(seed, dtype), vocabulary_(vocabulary), width_(width), fault_(fault) {
    const ParameterScope root(parameters_);
    embedding_ = &root.add("embedding.weight", {vocabulary, width}, init::normal(1));
    mix_ = &root.add("mix.weight", {width, width}, init::linear_default(width));
    gate_ = &root.add("gate.weight", {width, width}, init::linear_default(width));
    head_ = &root.add("head.weight", {vocabulary, width}, init::normal(1));
    head_bias_ = &root.add("head.bias", {vocabulary}, init::constant(0));
  }
  ParameterList& parameters() override { return parameters_; }
  int64_t vocabulary() const override { return vocabulary_; }
  std::vector<std::vector<std::string>> state_names() const override { return {{"h"}}; }

  Var forward(Pass& pass, const Tokens& tokens, State& state, const HiddenSink&) override {
    const int64_t batch = tokens.ids.dim(0), length = tokens.ids.dim(1);
    if (fault_ == Fault::throws && length > 20) throw Error("[fake] a row of more than 20 tokens");
    if (state.blocks.empty()) state.blocks.resize(1);
    MixerState& held = state.blocks[0];
    const bool drop = fault_ == Fault::drops_the_state && length > 1;
    const Var h0 = held.empty() || drop ? Var() : held[0];
    const Tensor resets = fault_ == Fault::leaks_over_resets ? Tensor() : tokens.resets;
    const Var x = ops::embedding(tokens.ids, use(pass, *embedding_));
    const Var a = ops::sigmoid(ops::linear(x, gate(pass)));
    const auto scan = ops::scan(a, ops::linear(x, use(pass, *mix_)), h0, resets);
    held = {scan.last};
    const Var bias = fault_ == Fault::forgets_a_gradient ? Var(head_bias_->value) : use(pass, *head_bias_);
    Var logits = ops::linear(ops::tanh(scan.h), use(pass, *head_), bias);
    if (fault_ == Fault::quadratic)
      logits = record("quadratic", logits.value(), {logits},
                      [all = Tensor::zeros({length, length})](const Adjoints& g) { g.give(0, g.out(0)); });
    return scaled(logits, fault_of_scale(pass, batch, length));
  }

 private:
  Var gate(Pass& pass) {
    const Var right = use(pass, *gate_);
    if (fault_ != Fault::wrong_gradient) return right;
    return record("wrong", right.value(), {right}, [](const Adjoints& g) {
      const Tensor bad = g.out(0).clone();
      bad.add(g.out(0));
      g.give(0, bad);
    });
  }
  double fault_of_scale(const Pass& pass, int64_t batch, int64_t length) {
    if (fault_ == Fault::remembers_the_run && pass.training && pass.step > 0) ++passes_;
    if (fault_ == Fault::step_differs && length == 1) return 1.001;
    if (fault_ == Fault::row_sees_the_batch && length > 1 && batch == 5) return 1 + 1e-12;
    if (fault_ == Fault::step_sees_the_batch && length == 1 && batch == 3) return 1 + 1e-12;
    if (fault_ == Fault::counts_threads) return 1 + 1e-12 * kernels::threads();
    if (fault_ == Fault::looks_at_the_target && kernels::simd_target() == "avx2") return 1 + 1e-12;
    return 1 + 1e-3 * passes_;
  }
  static Var scaled(const Var& x, double factor) {
    if (factor == 1) return x;
    const auto times = [factor](const Tensor& t) {
      const Tensor y = t.clone();
      by_dtype(y.dtype(), [&](auto zero) {
        using T = decltype(zero);
        for (int64_t i = 0; i < y.size(); ++i) y.data<T>()[i] *= T(factor);
      });
      return y;
    };
    return record("scaled", times(x.value()), {x},
                  [times](const Adjoints& g) { g.give(0, times(g.out(0))); });
  }

  ParameterList parameters_;
  int64_t vocabulary_, width_;
  Fault fault_;
  int passes_ = 0;
  Parameter *embedding_, *mix_, *gate_, *head_, *head_bias_;
};

struct OneModel : ModelFactory {
  Fault fault;
  explicit OneModel(Fault f) : fault(f) {}
  std::vector<Architecture> architectures() const override { return {{"fake", "a scan", nullptr}}; }
  std::unique_ptr<Model> make(const ModelConfig& config, int64_t vocabulary, uint64_t seed,
                              DType dtype) const override {
    return std::make_unique<FakeModel>(vocabulary, config.d_model, seed, dtype, fault);
  }
};

ModelReport report_of(Fault fault) {
  ModelConfig config;
  config.architecture = "fake";
  config.d_model = 7;
  return check_model(OneModel(fault), config, kVocabulary, {.length = 40, .memory_length = 256});
}

std::vector<std::string> failed(const ModelReport& report) {
  std::vector<std::string> names;
  for (const ModelCheck& check : report.checks)
    if (!check.ok) names.push_back(check.name);
  return names;
}

void expect_failures(Fault fault, const std::vector<std::string>& names, const std::string& said) {
  const ModelReport report = report_of(fault);
  EXPECT_EQ(failed(report), names) << report.text();
  EXPECT_EQ(report.ok(), names.empty());
  EXPECT_NE(report.text().find(said), std::string::npos) << report.text();
}

TEST(CheckModelFinds, NothingInAModelThatKeepsAll) { expect_failures(Fault::none, {}, "ok"); }

TEST(CheckModelFinds, ALeakOverResets) {
  expect_failures(Fault::leaks_over_resets, {"packed documents stay apart"},
                  "logits of a document after another token in the one before differ by");
}

TEST(CheckModelFinds, AStepThatDiffers) {
  expect_failures(Fault::step_differs, {"full == chunks + steps"}, "float64 0.001 (limit 1e-10)");
}

TEST(CheckModelFinds, AStateThatIsDropped) {
  expect_failures(Fault::drops_the_state, {"full == chunks + steps", "carried windows == one window"},
                  "FAILED");
}

TEST(CheckModelFinds, ARowThatSeesItsBatch) {
  expect_failures(Fault::row_sees_the_batch, {"batch row == row alone"},
                  "float64: logits of row 0 and of it alone");
}

TEST(CheckModelFinds, AStepThatSeesItsBatch) {
  expect_failures(Fault::step_sees_the_batch, {"ragged batch == singles"}, "step 3: logits of row 0");
}

TEST(CheckModelFinds, AForgottenGradient) {
  expect_failures(Fault::forgets_a_gradient, {"gradients == differences"}, "head.bias gets no gradient");
}

TEST(CheckModelFinds, AWrongGradient) {
  expect_failures(Fault::wrong_gradient, {"gradients == differences"}, "worst in gate.weight");
}

TEST(CheckModelFinds, WhatASnapshotLacks) {
  expect_failures(Fault::remembers_the_run, {"exact resume"}, "loss of step 4 differs");
}

TEST(CheckModelFinds, NumbersThatDependOnThreads) {
  expect_failures(Fault::counts_threads, {"1 == N threads"}, "float64: 2 threads: the loss differs");
}

TEST(CheckModelFinds, NumbersThatDependOnTheTarget) {
  if (kernels::simd_targets().front() == "avx2") GTEST_SKIP() << "needs a second SIMD target";
  expect_failures(Fault::looks_at_the_target, {"SIMD targets agree"}, "float64: avx512 and avx2");
}

#ifndef ADDER_ASAN  // there peaks are not those of the arena
TEST(CheckModelFinds, QuadraticMemory) {
  expect_failures(Fault::quadratic, {"memory of a step is O(L)"}, "a doubling (limit 2.2)");
}
#endif

TEST(CheckModelFinds, AnErrorInsideACheck) {
  const ModelReport report = report_of(Fault::throws);
  EXPECT_FALSE(report.ok());
  EXPECT_NE(report.text().find("[fake] a row of more than 20 tokens   FAILED"), std::string::npos);
}

// ---- the rest -------------------------------------------------------------------------------------------

TEST(CheckModel, RunsWhatIsAskedFor) {
  const OneModel factory(Fault::none);
  ModelConfig config;
  config.d_model = 5;
  std::vector<std::string> seen;
  ModelCheckOptions options{.only = {"threads", "row"}};
  options.on_check = [&](const ModelCheck& check) { seen.push_back(check.name); };
  const ModelReport report = check_model(factory, config, kVocabulary, options);
  EXPECT_TRUE(report.ok()) << report.text();
  EXPECT_EQ(seen, (std::vector<std::string>{"batch row == row alone", "1 == N threads"}));
  options.only = {"thread", "speed"};
  const std::string said = message_of([&] { check_model(factory, config, kVocabulary, options); });
  EXPECT_NE(said.find("no check's name contains \"speed\"; they are \"full == chunks + steps\""),
            std::string::npos)
      << said;
}

TEST(CheckModel, LeavesThreadsAndTargetAsTheyWere) {
  const int threads = kernels::threads();
  const std::string target = kernels::simd_target();
  report_of(Fault::counts_threads);
  report_of(Fault::looks_at_the_target);
  EXPECT_EQ(kernels::threads(), threads);
  EXPECT_EQ(kernels::simd_target(), target);
}

}  // namespace
}  // namespace adder
