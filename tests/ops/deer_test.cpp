// The solver's oracle is the recurrence step by step: references of rnn, gru and lstm, and their fused ops.
#include "framework/ops/deer.h"

#include "framework/ops/gru.h"
#include "framework/ops/lstm.h"
#include "framework/ops/rnn.h"
#include "kernels/gru/ref.h"
#include "kernels/lstm/ref.h"
#include "kernels/rnn/ref.h"
#include "tests/ops/recurrent_support.h"

namespace adder {
namespace {

using ops::DeerCell;
constexpr DeerCell kCells[] = {DeerCell::rnn_tanh, DeerCell::rnn_relu, DeerCell::gru, DeerCell::lstm};

struct Case {
  DeerCell cell;
  bool dense;
  int64_t batch, length, hidden;
  bool bias = true, state = true;
  std::vector<int64_t> starts = {};
  double stddev = 0.7;  // of the weights, over sqrt(hidden)
};

ops::DeerOptions options(const Case& c) {
  return {.cell = c.cell, .dense = c.dense, .tolerance = 0, .max_iterations = 100};
}

// xg, w, b, h0, c0 (undefined but for lstm), resets
std::vector<Tensor> inputs(const Case& c) {
  const int64_t width = kernels::deer_gates(c.cell) * c.hidden;
  const Shape of_state = {c.batch, c.hidden};
  return {normal_input({c.batch, c.length, width}, 1),
          normal_input({width, c.hidden}, 2, c.stddev / std::sqrt(double(c.hidden))),
          c.bias ? normal_input({width}, 3, 0.5) : Tensor(),
          c.state ? normal_input(of_state, 4) : Tensor(),
          c.state && c.cell == DeerCell::lstm ? normal_input(of_state, 5) : Tensor(),
          resets_at(c.batch, c.length, c.starts)};
}

ops::DeerResult run_deer(const std::vector<Var>& in, const ops::DeerOptions& o) {
  std::vector<Var> state;
  if (in[3].defined()) state.push_back(in[3]);
  if (in[4].defined()) state.push_back(in[4]);
  return ops::deer(in[0], in[1], in[2], state, in[5].value(), o);
}

std::vector<Var> deer_outputs(const std::vector<Var>& in, const ops::DeerOptions& o) {
  const auto r = run_deer(in, o);
  EXPECT_EQ(r.report.fallbacks, 0);
  std::vector<Var> all = {r.y};
  all.insert(all.end(), r.last.begin(), r.last.end());
  return all;
}

std::vector<Var> fused_outputs(const std::vector<Var>& in, DeerCell cell) {
  const Tensor& resets = in[5].value();
  if (cell == DeerCell::gru) {
    const auto r = ops::gru(in[0], in[1], in[2], in[3], resets);
    return {r.y, r.last};
  }
  if (cell == DeerCell::lstm) {
    const auto r = ops::lstm(in[0], in[1], in[2], in[3], in[4], resets);
    return {r.y, r.h, r.c};
  }
  const auto r = ops::rnn(in[0], in[1], in[2], in[3], resets,
                          cell == DeerCell::rnn_relu ? ops::RnnActivation::relu : ops::RnnActivation::tanh);
  return {r.y, r.last};
}

OpCase deer_case(const Case& c) {
  OpCase op;
  op.op = [o = options(c)](const std::vector<Var>& in) { return deer_outputs(in, o); };
  op.ref = reference([cell = c.cell](const auto& in) {
    std::remove_cvref_t<decltype(in)> some = {in[0], in[1], in[2], in[3], in[5]};
    if (cell == DeerCell::gru) return kernels::ref::gru(some);
    if (cell == DeerCell::lstm) return kernels::ref::lstm(in);
    return kernels::ref::rnn(
        some, cell == DeerCell::rnn_relu ? ops::RnnActivation::relu : ops::RnnActivation::tanh);
  });
  op.inputs = inputs(c);
  return op;
}

TEST(Deer, IsTheSequentialFormInValueAndGradient) {
  for (const bool dense : {true, false})
    for (const DeerCell cell : kCells) {
      for (const auto& [batch, length, hidden] :
           std::vector<std::array<int64_t, 3>>{{1, 1, 1}, {2, 6, 5}, {1, 3, 17}, {3, 4, 1}})
        expect_op("deer", deer_case({cell, dense, batch, length, hidden}));
      expect_op("deer", deer_case({cell, dense, 1, 3, 2, false, false}));
    }
}

TEST(Deer, StateIsZeroWhereADocumentStarts) {
  for (const bool dense : {true, false})
    for (const DeerCell cell : kCells) {
      expect_op("deer", deer_case({cell, dense, 1, 4, 3, true, true, {0}}));
      expect_op("deer", deer_case({cell, dense, 2, 5, 2, true, true, {3, 5, 6, 9}}));
    }
}

TEST(Deer, SameBitsOnThreadsAndTargets) {
  for (const bool dense : {true, false})
    for (const DeerCell cell : {DeerCell::rnn_tanh, DeerCell::gru, DeerCell::lstm}) {
      expect_bits("deer", deer_case({cell, dense, 1, 70, 19, true, true, {}, 0.4}));
      expect_bits("deer", deer_case({cell, dense, 5, 40, 9, true, true, {7, 90}, 0.4}));
    }
}

TEST(Deer, ARowOfABatchIsTheSameRowAlone) {
  for (const bool dense : {true, false})
    for (const DeerCell cell : {DeerCell::gru, DeerCell::lstm})
      expect_rows_alone(deer_case({cell, dense, 5, 37, 9, true, true, {}, 0.5}),
                        cell == DeerCell::lstm ? std::set<size_t>{0, 3, 4} : std::set<size_t>{0, 3});
}

// A document stops by itself: what stands before it moves not a bit.
TEST(Deer, ADocumentIsTheSameAlone) {
  for (const bool dense : {true, false}) {
    const Case c{DeerCell::gru, dense, 1, 50, 7, true, true, {20}};
    const std::vector<Tensor> in = inputs(c);
    const Tensor bad = in[0].clone();
    bad.narrow(1, 0, 20).fill(NAN);
    const auto clean = run_deer({in.begin(), in.end()}, options(c));
    const auto after_nan = run_deer({bad, in[1], in[2], in[3], {}, in[5]}, options(c));
    const auto alone = run_deer({in[0].narrow(1, 20, 30), in[1], in[2], {}, {}, {}}, options(c));
    EXPECT_EQ(after_nan.report.fallbacks, 1);
    EXPECT_EQ(clean.report.documents, 2);
    expect_same(clean.y.value().narrow(1, 20, 30), alone.y.value(), "alone");
    expect_same(after_nan.y.value().narrow(1, 20, 30), alone.y.value(), "after a NaN");
  }
}

// max |got - want| and max |gradient got - want| / max |gradient want| against the fused op.
struct Distance {
  double value = 0, gradient = 0;
  kernels::DeerReport report;
};

Distance distance(const Case& c, DType dtype) {
  std::vector<std::vector<Tensor>> values(2), gradients(2);
  Distance d;
  for (int form = 0; form < 2; ++form) {
    Tape tape;
    std::vector<Var> in;
    for (const Tensor& x : inputs(c))
      in.push_back(!x.defined() || x.dtype() == DType::i32 ? Var(x) : tape.leaf(x.to(dtype)));
    std::vector<Var> out;
    if (form == 0) {
      const auto r = run_deer(in, options(c));
      out = {r.y};
      out.insert(out.end(), r.last.begin(), r.last.end());
      d.report = r.report;
    } else {
      out = fused_outputs(in, c.cell);
    }
    gradients[size_t(form)].resize(in.size());
    for (size_t i = 0; i < in.size(); ++i)
      if (in[i].tape())
        watch(in[i], [&, i, form](const Tensor& g) { gradients[size_t(form)][i] = g.clone(); });
    std::vector<std::pair<Var, Tensor>> seeds;
    for (size_t j = 0; j < out.size(); ++j) {
      values[size_t(form)].push_back(out[j].value());
      seeds.emplace_back(out[j], normal_input(out[j].shape(), 50 + j).to(dtype));
    }
    tape.backward(seeds);
  }
  for (size_t j = 0; j < values[0].size(); ++j)
    for (int64_t i = 0; i < values[0][j].size(); ++i)
      d.value = std::max(d.value, std::abs(values[0][j].item(i) - values[1][j].item(i)));
  for (size_t j = 0; j < gradients[0].size(); ++j)
    if (gradients[1][j].defined())
      d.gradient = std::max(d.gradient, fixtures::nmax(gradients[0][j], gradients[1][j]));
  return d;
}

TEST(Deer, AGruOf1024StepsIsTheSequentialPass) {
  for (const bool dense : {true, false}) {
    const Distance narrow = distance({DeerCell::gru, dense, 1, 1024, 16, true, true, {}, 0.6}, DType::f32);
    const Distance wide = distance({DeerCell::gru, dense, 1, 1024, 16, true, true, {}, 0.6}, DType::f64);
    EXPECT_EQ(narrow.report.fallbacks + wide.report.fallbacks, 0);
    EXPECT_LE(narrow.value, 1e-5);
    EXPECT_LE(narrow.gradient, 1e-4);
    EXPECT_LE(wide.value, 1e-11);
    EXPECT_LE(wide.gradient, 1e-9);
    EXPECT_LE(narrow.report.residual, 1e-6);
    EXPECT_GE(narrow.report.most, 2);
  }
}

// ---- where it does not converge ---------------------------------------------------------------------------

TEST(Deer, FallsBackToTheBitsOfTheSequentialForm) {
  for (const bool dense : {true, false})
    for (const DeerCell cell : kCells)
      for (const DType dtype : {DType::f32, DType::f64}) {
        const Case c{cell, dense, 3, 9, 7, true, true, {4}};
        std::vector<Var> in;
        for (const Tensor& x : inputs(c))
          in.push_back(x.defined() && x.dtype() != DType::i32 ? Var(x.to(dtype)) : Var(x));
        ops::DeerOptions one = options(c);
        one.max_iterations = 1;
        const auto got = run_deer(in, one);
        const auto want = fused_outputs(in, cell);
        EXPECT_EQ(got.report.documents, 4);
        EXPECT_EQ(got.report.fallbacks, 4);
        EXPECT_GT(got.report.failed_residual, 0);
        expect_same(got.y.value(), want[0].value(), "y");
        for (size_t i = 0; i < got.last.size(); ++i)
          expect_same(got.last[i].value(), want[i + 1].value(), "state");
      }
}

// Weights of ten times the usual size: the iteration may wander off; the result is right all the same.
TEST(Deer, IsRightWhereTheRecurrenceIsWild) {
  for (const bool dense : {true, false})
    for (const DeerCell cell : {DeerCell::rnn_tanh, DeerCell::gru, DeerCell::lstm}) {
      const Distance d = distance({cell, dense, 2, 60, 8, true, true, {}, 6}, DType::f64);
      EXPECT_LE(d.value, 1e-6);
    }
}

TEST(Deer, NamesWhatDoesNotFit) {
  const auto run = [](Shape xg, Shape w, ops::DeerOptions o) {
    return message_of([=] { ops::deer(Tensor::zeros(xg), Tensor::zeros(w), {}, {}, {}, o); });
  };
  EXPECT_EQ(run({2, 7, 15}, {20, 5}, {}), "[deer] w_hh has shape [20, 5], expected [15, 5]");
  EXPECT_EQ(run({2, 7, 20}, {15, 5}, {}), "[deer] xg has shape [2, 7, 20], expected [batch, length, 15]");
  EXPECT_EQ(run({2, 0, 15}, {15, 5}, {}), "[deer] xg has length 0, expected at least 1");
  EXPECT_EQ(run({1, 2, 132}, {132, 33}, {.cell = DeerCell::lstm}),
            "[deer] a state has 66 elements, expected at most 64 where the whole Jacobian of every step is "
            "kept; keep its "
            "diagonal");
  EXPECT_EQ(run({1, 2, 132}, {132, 33}, {.cell = DeerCell::lstm, .dense = false}), "no error");
}

}  // namespace
}  // namespace adder
