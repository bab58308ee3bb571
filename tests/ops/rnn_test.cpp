#include "framework/ops/rnn.h"

#include <map>

#include "framework/ops/linear.h"
#include "kernels/rnn/ref.h"
#include "tests/ops/recurrent_support.h"
#include "tests/support/check.h"

namespace adder {
namespace {

using ops::RnnActivation;

struct Case {
  int64_t batch, length, hidden;
  RnnActivation activation = RnnActivation::tanh;
  bool bias = true, h0 = true;
  std::vector<int64_t> starts = {};  // document starts, positions in the flattened (batch, length)
};

OpCase rnn_case(const Case& c) {
  OpCase op;
  op.op = [f = c.activation](const std::vector<Var>& in) {
    const auto r = ops::rnn(in[0], in[1], in[2], in[3], in[4].value(), f);
    return std::vector<Var>{r.y, r.last};
  };
  op.ref = reference([f = c.activation](const auto& in) { return kernels::ref::rnn(in, f); });
  op.inputs = {normal_input({c.batch, c.length, c.hidden}, 1),
               normal_input({c.hidden, c.hidden}, 2, 0.7 / std::sqrt(double(c.hidden))),
               c.bias ? normal_input({c.hidden}, 3) : Tensor(),
               c.h0 ? normal_input({c.batch, c.hidden}, 4) : Tensor(), resets_at(c.batch, c.length, c.starts)};
  return op;
}

TEST(Rnn, PanelsOfItsWeightsChangeNoBit) {
  expect_same_with_panels([](int64_t batch, int64_t hidden) { return rnn_case({batch, 1, hidden}); });
}

TEST(Rnn, MatchesItsDefinition) {
  for (const auto f : {RnnActivation::tanh, RnnActivation::relu, RnnActivation::identity})
    for (const auto& [batch, length, hidden] : recurrent_sizes()) expect_op("rnn", rnn_case({batch, length, hidden, f}));
}

TEST(Rnn, OptionalInputsMayBeLeftOut) {
  expect_op("rnn", rnn_case({2, 4, 5, RnnActivation::tanh, false, true}));
  expect_op("rnn", rnn_case({2, 4, 5, RnnActivation::tanh, true, false}));
  expect_op("rnn", rnn_case({1, 3, 2, RnnActivation::relu, false, false}));
}

TEST(Rnn, StateIsZeroWhereADocumentStarts) {
  for (int64_t i = 0; i < 4; ++i) expect_op("rnn", rnn_case({1, 4, 3, RnnActivation::tanh, true, true, {i}}));
  expect_op("rnn", rnn_case({2, 5, 7, RnnActivation::relu, true, true, {0, 3, 4, 9}}));
  expect_op("rnn", rnn_case({2, 3, 2, RnnActivation::tanh, true, false, {2, 3}}));
}

// Forgotten, not multiplied by zero: neither the state before a start nor its gradient leaks, not even a NaN.
TEST(Rnn, ADocumentForgetsEvenANaN) {
  const Tensor xg = Tensor::full({1, 3, 2}, 0.5), h0 = Tensor::full({1, 2}, NAN), w = Tensor::full({2, 2}, 0.25);
  Tape tape;
  const Var x = tape.leaf(xg);
  const auto r = ops::rnn(x, w, {}, tape.leaf(h0), resets_at(1, 3, {0}), RnnActivation::tanh);
  for (int64_t i = 0; i < 6; ++i) EXPECT_TRUE(std::isfinite(r.y.value().item(i)));
  const Tensor broken = xg.clone();
  broken.data<float>()[0] = NAN;
  const auto s = ops::rnn(broken, w, {}, {}, resets_at(1, 3, {1}), RnnActivation::relu).y.value();
  EXPECT_TRUE(std::isnan(s.item(0)));
  for (int64_t i = 2; i < 6; ++i) EXPECT_TRUE(std::isfinite(s.item(i)));
}

TEST(Rnn, WritesOverAnInputThatNobodyElseHolds) {
  expect_same_when_handed_over([](Var xg, const Var& w) {
    const void* memory = xg.value().raw();
    const bool ours = !xg.value().shares_storage() && !xg.tape()->observed();
    const auto r = ops::rnn(std::move(xg), w, {}, {}, {}, RnnActivation::tanh);
    EXPECT_EQ(r.y.value().raw() == memory, ours);
    return std::vector<Var>{r.y, r.last};
  }, 1);
}

TEST(Rnn, SameBitsOnThreadsAndTargets) {
  expect_bits("rnn", rnn_case({13, 9, 97}));
  expect_bits("rnn", rnn_case({3, 20, 260, RnnActivation::relu}));
}

TEST(Rnn, ARowOfABatchIsTheSameRowAlone) {
  expect_rows_alone(rnn_case({13, 5, 33}), {0, 3});
}

TEST(Rnn, TwoPartsWithCarriedStateAreTheWhole) {
  expect_parts([](const Tensor& xg, const std::vector<Var>& state, const std::vector<Tensor>& w) {
    const auto r = ops::rnn(xg, w[0], w[1], state.empty() ? Var() : state[0], {}, RnnActivation::tanh);
    return std::vector<Var>{r.y, r.last};
  }, 33, 1);
}

TEST(Rnn, NamesTheArgumentThatDoesNotFit) {
  const auto run = [](Shape xg, Shape w, Shape b, Shape h0, Tensor resets) {
    return message_of([=] {
      ops::rnn(Tensor::zeros(xg), Tensor::zeros(w), Tensor::zeros(b), Tensor::zeros(h0), resets, RnnActivation::tanh);
    });
  };
  EXPECT_EQ(run({2, 7, 5}, {5, 4}, {5}, {2, 5}, {}), "[rnn] w_hh has shape [5, 4], expected [5, 5]");
  EXPECT_EQ(run({2, 7, 5}, {5, 5}, {6}, {2, 5}, {}), "[rnn] b_hh has shape [6], expected [5]");
  EXPECT_EQ(run({2, 7, 5}, {5, 5}, {5}, {3, 5}, {}), "[rnn] h0 has shape [3, 5], expected [2, 5]");
  EXPECT_EQ(run({2, 0, 5}, {5, 5}, {5}, {2, 5}, {}), "[rnn] xg has length 0, expected at least 1");
  EXPECT_EQ(run({2, 7, 5}, {5, 5}, {5}, {2, 5}, Tensor::zeros({2, 7})),
            "[rnn] resets has dtype float32, expected int32");
}

TEST(Rnn, Parity) {
  SKIP_WITHOUT_SHARED();
  for (const auto& [name, f] : {std::pair{"rnn_tanh", RnnActivation::tanh}, {"rnn_relu", RnnActivation::relu}})
    expect_cell_parity(name, [f = f](std::map<std::string, Var>& in) {
      const auto r = ops::rnn(ops::linear(in["x"], in["w_ih"], in["b_ih"]), in["w_hh"], in["b_hh"], in["h0"], {}, f);
      return std::map<std::string, Var>{{"y", r.y}, {"h_n", r.last}};
    });
}

}  // namespace
}  // namespace adder
