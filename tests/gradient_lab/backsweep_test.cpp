#include "framework/gradient_lab/backsweep.h"

#include <gtest/gtest.h>

#include "framework/gradient_lab/magnitude.h"
#include "tests/gradient_lab/lab_support.h"
#include "tests/gradient_lab/linear_model.h"
#include "tests/support/check.h"

namespace adder::lab {
namespace {

double at(const Tensor& t, int64_t i, int64_t b, int64_t j) {
  return t.data<double>()[(i * t.dim(1) + b) * t.dim(2) + j];
}

// The sum of the losses as one tape gives it, from a state that is a leaf.
struct Plain {
  std::vector<Tensor> stream, state;  // adjoints: (B, L, D) by place; by state tensor
  std::vector<std::string> places;
};
Plain plain_backward(Model& model, const Tensor& ids, const Tensor& labels, State state = {}) {
  Tape tape;
  Pass pass{.tape = &tape};
  std::vector<Var> leaves;
  for (auto& block : state.blocks)
    for (Var& v : block)
      if (v.dtype() != DType::i32) leaves.push_back(v = tape.leaf(v.value()));
  Plain plain;
  plain.stream.resize(20);
  const Var logits = model.forward(pass, {ids, {}}, state, [&](const std::string& name, Var& x) {
    const size_t i = plain.places.size();
    plain.places.push_back(name);
    watch(x, [&plain, i](const Tensor& a) { plain.stream[i] = a.clone(); });
  });
  int64_t scored = 0;
  for (int64_t i = 0; i < labels.size(); ++i) scored += labels.item(i) >= 0;
  const Var loss = ops::cross_entropy(logits, labels);
  tape.backward({{loss, Tensor::full({}, double(scored), loss.dtype())}});
  model.parameters().clear_gradients();
  for (const Var& v : leaves)
    plain.state.push_back(v.node()->gathered().defined() ? v.node()->gathered().clone() : Tensor());
  return plain;
}

void expect_close(double got, double want, const std::string& what) {
  if (want == -INFINITY) EXPECT_EQ(got, want) << what;
  else EXPECT_NEAR(got, want, 1e-9) << what;
}

// Of a contiguous tensor.
double log_norm(const Tensor& x, int64_t row, int64_t n) { return log10_norm(x.data<double>() + row * n, n); }

TEST(Backsweep, AgreesWithOneTapeInEveryArchitecture) {
  for (const LabCase& c : lab_cases()) {
    const auto model = lab_model(c.architecture, DType::f64, c.more);
    const Tensor ids = lab_ids(2, 12), labels = lab_ids(2, 12, 4);
    labels.data<int32_t>()[17] = -100;
    const Plain plain = plain_backward(*model, ids, labels);
    for (const BacksweepOptions options : {BacksweepOptions{1, 64}, {1, 5}, {5, 2}, {12, 1}}) {
      const Backsweep sweep = backsweep(*model, ids, labels, options);
      ASSERT_EQ(sweep.places, plain.places) << c.architecture;
      for (size_t p = 0; p < plain.places.size(); ++p)
        for (int64_t i = 0; i < 24; ++i)
          expect_close(at(sweep.stream, int64_t(p), i / 12, i % 12), log_norm(plain.stream[p], i, 8),
                       std::string(c.architecture) + c.more + " " + plain.places[p] + " token " + std::to_string(i) +
                           " segment " + std::to_string(options.segment));
    }
  }
}

TEST(Backsweep, StatesAreWhatTheLaterTokensFeel) {
  for (const LabCase& c : lab_cases()) {
    const auto model = lab_model(c.architecture, DType::f64, c.more);
    if (!model->bounded_state()) continue;
    const Tensor ids = lab_ids(1, 9), labels = last_label(lab_ids(1, 9, 4));
    const Backsweep sweep = backsweep(*model, ids, labels);
    int64_t s = 0;
    for (const auto& block : model->recurrent_names()) s += int64_t(block.size());
    ASSERT_EQ(int64_t(sweep.states.size()), s);
    for (int64_t t : {0, 4, 7}) {
      State state;
      logits_of(*model, row_of(ids, 0, t + 1), state);
      const Plain plain = plain_backward(*model, row_of(ids, t + 1, 8 - t), row_of(labels, t + 1, 8 - t), state);
      std::vector<std::string> all;
      for (size_t i = 0; i < state.blocks.size(); ++i)
        for (size_t j = 0; j < state.blocks[i].size(); ++j)
          if (state.blocks[i][j].dtype() != DType::i32) all.push_back(model->state_names()[i][j]);
      for (size_t i = 0; i < sweep.states.size(); ++i) {
        const size_t k = size_t(std::find(all.begin(), all.end(), sweep.states[i]) - all.begin());
        ASSERT_LT(k, all.size());
        const double want = plain.state[k].defined() ? log_norm(plain.state[k], 0, plain.state[k].size()) : -INFINITY;
        expect_close(at(sweep.state, int64_t(i), 0, t), want, c.architecture + sweep.states[i]);
      }
    }
    EXPECT_TRUE(sweep.states.empty() || std::isnan(at(sweep.state, 0, 0, 8)));
  }
}

TEST(Backsweep, NormsThatUnderflowAreStillNumbers) {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const int64_t segment : {1, 16}) {
      LinearModel model(scaled_identity(4, 0.5, dtype), kLabVocabulary);
      const Tensor ids = lab_ids(2, 1001), labels = last_label(lab_ids(2, 1001, 4));
      const Backsweep sweep = backsweep(model, ids, labels, {segment, 8});
      for (const int64_t b : {0, 1}) {
        EXPECT_NEAR(at(sweep.stream, 0, b, 0) - at(sweep.stream, 0, b, 1000), -301.03, 1e-3);
        EXPECT_NEAR(at(sweep.stream, 0, b, 0) - at(sweep.stream, 0, b, 1000), 1000 * std::log10(0.5), 1e-9);
      }
    }
}

TEST(Backsweep, NormsThatOverflowAreStillNumbers) {
  LinearModel model(scaled_identity(3, 8, DType::f32), kLabVocabulary);
  const Tensor ids = lab_ids(2, 31), labels = lab_ids(2, 31, 4);
  const double one = at(backsweep(model, ids, last_label(labels)).stream, 0, 1, 30);
  const Backsweep sweep = backsweep(model, ids, labels);  // the state itself stays below 3e38
  EXPECT_GT(at(sweep.stream, 0, 1, 0) - at(sweep.stream, 0, 1, 30), 25);
  EXPECT_NEAR(at(backsweep(model, ids, last_label(labels)).stream, 0, 1, 0) - one, 30 * std::log10(8.0), 1e-9);
}

// Oracle 1: an orthogonal recurrence neither shrinks nor stretches what flows back.
TEST(Backsweep, OrthogonalRecurrenceKeepsTheNorm) {
  struct Case {
    DType dtype;
    int64_t length;
    double tolerance;
  };
  for (const Case& c : {Case{DType::f64, 5001, 1e-11}, {DType::f32, 1001, 1e-4}}) {
    LinearModel model(orthogonal_matrix(12, 1, c.dtype), kLabVocabulary);
    const Backsweep sweep = backsweep(model, lab_ids(1, c.length), last_label(lab_ids(1, c.length, 4)), {50, 16});
    double worst = 0;
    for (int64_t t = 0; t < c.length; ++t)
      worst = std::max(worst, std::abs(std::pow(10, at(sweep.stream, 0, 0, t) - at(sweep.stream, 0, 0, c.length - 1)) - 1));
    EXPECT_LT(worst, c.tolerance) << name(c.dtype);
    EXPECT_GT(worst, 0);
  }
}

// The same as `watch` sees it: with the identity for activation, the adjoint of the input projection is dL/dh_t.
TEST(Backsweep, WatchOnARecurrenceSeesTheStatesAdjoint) {
  for (const auto& [dtype, length, tolerance] : {std::tuple{DType::f64, 5000, 1e-11}, {DType::f32, 1000, 1e-4}}) {
    Tape tape;
    const Var xg = tape.leaf(normal_input({1, length, 12}, 1).to(dtype));
    const auto r = ops::rnn(xg, orthogonal_matrix(12, 1, dtype), {}, {}, {}, ops::RnnActivation::identity);
    double worst = 0;
    watch(xg, [&, length = length](const Tensor& adjoint) {
      const Tensor a = adjoint.to(DType::f64);
      for (int64_t t = 0; t < length; ++t)
        worst = std::max(worst, std::abs(std::pow(10, log_norm(a, t, 12) - log_norm(a, length - 1, 12)) - 1));
    });
    tape.backward({{r.last, normal_input({1, 12}, 2).to(dtype)}});
    EXPECT_LT(worst, tolerance);
    EXPECT_GT(worst, 0);
  }
}

TEST(Backsweep, ChangesNoBitOfTheModel) {
  const auto model = lab_model("mamba", DType::f32);
  const Tensor ids = lab_ids(2, 6), labels = lab_ids(2, 6, 4);
  loss_and_gradients(*model, {ids, {}}, labels);  // gradients that are somebody else's
  std::string before, after;
  const auto all = [&](std::string& text) {
    for (size_t i = 0; i < model->parameters().size(); ++i)
      text += bits(model->parameters()[i].value) + bits(model->parameters()[i].grad);
  };
  all(before);
  backsweep(*model, ids, labels);
  all(after);
  EXPECT_EQ(before, after);
}

TEST(Backsweep, RefusesWhatIsNoNumber) {
  const auto model = lab_model("rnn", DType::f32);
  model->parameters().find("blocks.0.mixer.weight_hh")->value.fill(NAN);
  EXPECT_NE(message_of([&] { backsweep(*model, lab_ids(1, 4), lab_ids(1, 4)); }).find("is not finite"), std::string::npos);
  const Tensor none = Tensor::full({1, 4}, -100, DType::i32);
  EXPECT_EQ(message_of([&] { backsweep(*model, lab_ids(1, 4), none); }),
            "[backsweep] no label is scored, expected at least one");
}

}  // namespace
}  // namespace adder::lab
