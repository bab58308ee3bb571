#include "framework/ops/gru.h"

#include "framework/ops/linear.h"
#include "kernels/gru/ref.h"
#include "tests/ops/recurrent_support.h"

namespace adder {
namespace {

struct Case {
  int64_t batch, length, hidden;
  bool bias = true, h0 = true;
  std::vector<int64_t> starts = {};  // document starts, positions in the flattened (batch, length)
};

OpCase gru_case(const Case& c) {
  OpCase op;
  op.op = [](const std::vector<Var>& in) {
    const auto r = ops::gru(in[0], in[1], in[2], in[3], in[4].value());
    return std::vector<Var>{r.y, r.last};
  };
  op.ref = reference([](const auto& in) { return kernels::ref::gru(in); });
  op.inputs = {normal_input({c.batch, c.length, 3 * c.hidden}, 1),
               normal_input({3 * c.hidden, c.hidden}, 2, 1 / std::sqrt(double(c.hidden))),
               c.bias ? normal_input({3 * c.hidden}, 3) : Tensor(),
               c.h0 ? normal_input({c.batch, c.hidden}, 4) : Tensor(), resets_at(c.batch, c.length, c.starts)};
  return op;
}

TEST(Gru, PanelsOfItsWeightsChangeNoBit) {
  expect_same_with_panels([](int64_t batch, int64_t hidden) { return gru_case({batch, 1, hidden}); });
}

TEST(Gru, MatchesItsDefinition) {
  for (const auto& [batch, length, hidden] : recurrent_sizes()) expect_op("gru", gru_case({batch, length, hidden}));
}

TEST(Gru, OptionalInputsMayBeLeftOut) {
  expect_op("gru", gru_case({2, 4, 3, false, true}));
  expect_op("gru", gru_case({2, 4, 3, true, false}));
  expect_op("gru", gru_case({1, 3, 2, false, false}));
}

TEST(Gru, StateIsZeroWhereADocumentStarts) {
  for (int64_t i = 0; i < 4; ++i) expect_op("gru", gru_case({1, 4, 3, true, true, {i}}));
  expect_op("gru", gru_case({2, 5, 5, true, true, {0, 3, 4, 9}}));
  expect_op("gru", gru_case({2, 3, 2, true, false, {2, 3}}));
}

// Forgotten, not multiplied by zero.
TEST(Gru, ADocumentForgetsEvenANaN) {
  const OpCase c = gru_case({1, 4, 3});
  const Tensor nan = Tensor::full({1, 3}, NAN, DType::f64), broken = c.inputs[0].narrow(1, 0, 3).clone();
  broken.fill(NAN);
  broken.narrow(1, 1, 2).copy_from(c.inputs[0].narrow(1, 1, 2));
  const Var x = c.inputs[0].narrow(1, 1, 2), w = c.inputs[1], b = c.inputs[2];
  const auto clean = ops::gru(x, w, b, {}, {});
  const auto second = ops::gru(broken, w, b, {}, resets_at(1, 3, {1}));
  EXPECT_TRUE(std::isnan(second.y.value().item(0)));
  expect_same(second.y.value().narrow(1, 1, 2), clean.y.value(), "a start amid the stretch");
  expect_same(ops::gru(x, w, b, nan, resets_at(1, 2, {0})).y.value(), clean.y.value(), "a start at the beginning");
}

TEST(Gru, RecordingChangesNothing) {
  const OpCase c = gru_case({7, 5, 33, true, true, {3, 10, 11, 34}});
  Tape tape;
  std::vector<Var> plain, recorded;
  for (const Tensor& x : c.inputs) {
    plain.emplace_back(x);
    recorded.push_back(x.dtype() == DType::i32 ? Var(x) : tape.leaf(x));
  }
  const auto a = c.op(plain), b = c.op(recorded);
  for (size_t j = 0; j < a.size(); ++j) expect_same(a[j].value(), b[j].value(), "output " + std::to_string(j));
}

TEST(Gru, SameBitsOnThreadsAndTargets) {
  expect_bits("gru", gru_case({13, 7, 65}));
  expect_bits("gru", gru_case({3, 9, 130}));
}

TEST(Gru, ARowOfABatchIsTheSameRowAlone) { expect_rows_alone(gru_case({13, 5, 33}), {0, 3}); }

TEST(Gru, TwoPartsWithCarriedStateAreTheWhole) {
  expect_parts([](const Tensor& xg, const std::vector<Var>& state, const std::vector<Tensor>& w) {
    const auto r = ops::gru(xg, w[0], w[1], state.empty() ? Var() : state[0], {});
    return std::vector<Var>{r.y, r.last};
  }, 17, 3);
}

TEST(Gru, WritesOverAnInputThatNobodyElseHolds) {
  expect_same_when_handed_over([](Var xg, const Var& w) {
    const auto r = ops::gru(std::move(xg), w, {}, {}, {});
    return std::vector<Var>{r.y, r.last};
  }, 3);
}

TEST(Gru, NamesTheArgumentThatDoesNotFit) {
  const auto run = [](Shape xg, Shape w, Shape h0) {
    return message_of([=] { ops::gru(Tensor::zeros(xg), Tensor::zeros(w), {}, Tensor::zeros(h0), {}); });
  };
  EXPECT_EQ(run({2, 7, 15}, {20, 5}, {2, 5}), "[gru] w_hh has shape [20, 5], expected [15, 5]");
  EXPECT_EQ(run({2, 7, 20}, {15, 5}, {2, 5}), "[gru] xg has shape [2, 7, 20], expected [batch, length, 15]");
  EXPECT_EQ(run({2, 7, 15}, {15, 5}, {2, 4}), "[gru] h0 has shape [2, 4], expected [2, 5]");
  EXPECT_EQ(run({2, 0, 15}, {15, 5}, {2, 5}), "[gru] xg has length 0, expected at least 1");
}

TEST(Gru, Parity) {
  SKIP_WITHOUT_SHARED();
  expect_cell_parity("gru", [](std::map<std::string, Var>& in) {
    const auto r = ops::gru(ops::linear(in["x"], in["w_ih"], in["b_ih"]), in["w_hh"], in["b_hh"], in["h0"], {});
    return std::map<std::string, Var>{{"y", r.y}, {"h_n", r.last}};
  });
}

}  // namespace
}  // namespace adder
