// Weights set by hand that solve what theory says a mixer can, at any length: what a trained model lacks is then
// learning, not expression. All numbers are powers of two and the gates saturate, so that the arithmetic is exact.
#include <gtest/gtest.h>

#include <cmath>

#include "framework/core/error.h"
#include "framework/inference/evaluate_task.h"
#include "tests/models/model_support.h"
#include "tests/support/tasks.h"

namespace adder {
namespace {

// Of gates: sigmoid(±kOpen) and silu(±kOpen) / kOpen are 1 and 0 to the bit; 1 / kOpen is exact.
constexpr double kOpen = 256;

#ifdef ADDER_ASAN
constexpr int64_t kFar = 1 << 14;
#else
constexpr int64_t kFar = 1 << 20;
#endif

// One layer of Mamba alone: no norm, no residual, an embedding of one-hot vectors. All weights are 0 at first.
class HandSetMamba {
 public:
  HandSetMamba(const OneTask& task, int64_t d_model, const std::string& keys, DType dtype) {
    const std::string text = R"({"data": {"task": {"name": ")" + task.config.name + R"("}},
      "model": {"architecture": "mamba", "n_layers": 1, "expand": 1, "d_state": 1, "dt_rank": 1, "d_conv": 2, "norm": "none",
                "residual": false, "tie_embeddings": false, "head_bias": true, "d_model": )" + std::to_string(d_model) + keys + "}}";
    model_ = make_model(parse_config(text, "hand.json", {}, model_registry()).model, task->vocabulary(), dtype);
    ParameterList& list = model_->parameters();
    for (size_t i = 0; i < list.size(); ++i) list[i].value.zero();
    for (int64_t v = 0; v < task->vocabulary(); ++v) set("embedding.weight", v, v, 1);
  }
  Model& model() { return *model_; }

  void set(const std::string& name, int64_t row, int64_t column, double value) {
    Parameter* p = model_->parameters().find(name);
    if (!p) throw Error("no parameter " + name);
    const Tensor at = p->value.rank() == 1 ? p->value.narrow(0, row, 1) : p->value.narrow(0, row, 1).narrow(1, column, 1);
    at.fill(value);
  }
  void set(const std::string& name, int64_t row, double value) { set(name, row, 0, value); }
  void mixer(const std::string& name, int64_t row, int64_t column, double value) { set("blocks.0.mixer." + name, row, column, value); }
  void mixer(const std::string& name, int64_t row, double value) { mixer(name, row, 0, value); }

 private:
  std::unique_ptr<Model> model_;
};

// Channel 0 is open at a 1, channel 1 always. At a 1: delta = kOpen, so that the transition 2 exp(-delta) - 1 is -1,
// and delta B u = 1: h becomes 1 - h. At a 0: delta = 0, so that the transition is 1 and nothing is written.
TEST(HandSet, SignedMambaCountsParityAtAnyLength) {
  const OneTask task(R"("name": "parity")");
  for (const DType dtype : {DType::f32, DType::f64}) {
    HandSetMamba m(task, 2, R"(, "transitions": "signed")", dtype);
    m.mixer("in_proj.weight", 0, 1, kOpen);                                            // u of channel 0: 1s
    for (const int64_t id : {0, 1}) m.mixer("in_proj.weight", 1, id, kOpen);           // u of channel 1: all
    for (const int64_t id : {0, 1}) m.mixer("in_proj.weight", 2, id, kOpen);           // its gate z: all
    for (const int64_t channel : {0, 1}) m.mixer("conv1d.weight", channel, 1, 1);      // the present token
    m.mixer("x_proj.weight", 0, 0, 1 / kOpen);                                         // dt = 1 at a 1
    m.mixer("x_proj.weight", 1, 0, 1 / (kOpen * kOpen * kOpen));                       // B: delta B u = 1
    m.mixer("x_proj.weight", 2, 1, 1 / kOpen);                                         // C = 1
    m.mixer("dt_proj.weight", 0, 0, 2 * kOpen), m.mixer("dt_proj.bias", 0, -kOpen);    // delta = kOpen or 0
    m.mixer("out_proj.weight", 0, 0, 1 / kOpen);                                       // h
    m.set("head.weight", 1, 0, 2), m.set("head.bias", 1, -1);                          // odd: 2h - 1 > 0
    const int64_t length = dtype == DType::f32 ? kFar : 1000;
    const TaskEvaluation e = evaluate_task(m.model(), *task, length, {.examples = 2, .seed = 3});
    EXPECT_EQ(e.scored, 2 * length);
    EXPECT_EQ(e.token_accuracy, 1.0);
    EXPECT_NEAR(e.loss, std::log1p(std::exp(-1.0)), 1e-6);  // of logits ±1: h is 0 or 1, nothing between
  }
}

// Selection: a channel a symbol. delta is kOpen at a token, so that what came before is forgotten and the token written,
// and 0 at noise and at the marker, so that it stays: delta B u = 1 in the token's channel.
TEST(HandSet, MambaRecallsOneTokenAmongNoise) {
  const OneTask task(R"("name": "selective_copying", "tokens": 1, "symbols": 5, "length": 64)");
  const int64_t ids = task->vocabulary(), constant = 0;  // the marker's channel is of no other use
  HandSetMamba m(task, ids, "", DType::f32);
  for (int64_t v = 0; v < ids; ++v) {
    m.mixer("conv1d.weight", v, 1, 1);
    m.mixer("in_proj.weight", constant, v, kOpen);
    for (int64_t channel = 0; channel < ids; ++channel) m.mixer("in_proj.weight", ids + channel, v, kOpen);
    m.mixer("dt_proj.weight", v, 0, 2 * kOpen), m.mixer("dt_proj.bias", v, -kOpen);
  }
  for (int64_t symbol = 1; symbol <= 5; ++symbol) {
    m.mixer("in_proj.weight", symbol, symbol, kOpen);
    m.mixer("x_proj.weight", 0, symbol, 1 / kOpen);                      // dt = 1 at any token
    m.mixer("out_proj.weight", symbol, symbol, 1);
    m.set("head.weight", symbol, symbol, 1);
  }
  m.mixer("x_proj.weight", 1, constant, 1 / (kOpen * kOpen * kOpen));    // B
  m.mixer("x_proj.weight", 2, constant, 1 / kOpen);                      // C
  for (const int64_t length : {int64_t(1), int64_t(64), kFar / 16}) {
    const TaskEvaluation e = evaluate_task(m.model(), *task, length, {.examples = 20, .seed = 3});
    EXPECT_EQ(e.token_accuracy, 1.0) << length;
  }
}

// The convolution sees a pair: a symbol's channel is open only where the special id stood just before that symbol.
// Then it is written as above, and all that came before forgotten; at the end it is still there.
TEST(HandSet, OneLayerOfMambaIsAnInductionHead) {
  const OneTask task(R"("name": "induction_heads", "vocabulary": 7)");
  const int64_t ids = task->vocabulary(), special = ids - 1;
  HandSetMamba m(task, ids, "", DType::f32);
  for (int64_t v = 0; v < ids; ++v) {
    for (int64_t channel = 0; channel < ids; ++channel) m.mixer("in_proj.weight", ids + channel, v, kOpen);
    m.mixer("in_proj.weight", special, v, kOpen);  // always open
    m.mixer("dt_proj.weight", v, 0, 2 * kOpen), m.mixer("dt_proj.bias", v, -kOpen);
  }
  m.mixer("conv1d.weight", special, 1, 1);
  // Present e: 1, special: 2; the token before counts four times. Special before, e now: 9; all else is 8 or less.
  for (int64_t e = 0; e < special; ++e) {
    m.mixer("in_proj.weight", e, e, 2 * kOpen), m.mixer("in_proj.weight", e, special, 4 * kOpen);
    m.mixer("conv1d.weight", e, 1, 1), m.mixer("conv1d.weight", e, 0, 4);
    m.mixer("conv1d.bias", e, -17 * kOpen);                                          // 18 - 17, or 16 - 17 and less
    m.mixer("x_proj.weight", 0, e, 1 / kOpen);                                       // dt = 1 at such a pair
    m.mixer("out_proj.weight", e, e, 1);
    m.set("head.weight", e, e, 1);
  }
  m.mixer("x_proj.weight", 1, special, 1 / (kOpen * kOpen * kOpen));
  m.mixer("x_proj.weight", 2, special, 1 / kOpen);
  for (const int64_t length : {int64_t(3), int64_t(64), kFar / 16}) {
    const TaskEvaluation e = evaluate_task(m.model(), *task, length, {.examples = 20, .seed = 3});
    EXPECT_EQ(e.token_accuracy, 1.0) << length;
  }
}

}  // namespace
}  // namespace adder
