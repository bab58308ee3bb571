#include "framework/ops/lstm.h"

#include "framework/ops/linear.h"
#include "kernels/lstm/lstm.h"
#include "kernels/lstm/ref.h"
#include "tests/ops/recurrent_support.h"

namespace adder {
namespace {

enum Optional { kNone = 0, kBias = 1, kHidden = 2, kCell = 4, kAll = 7 };

struct Case {
  int64_t batch, length, hidden;
  int optional = kAll;
  std::vector<int64_t> starts = {};  // document starts, positions in the flattened (batch, length)
};

OpCase lstm_case(const Case& c) {
  const auto given = [&](int which, Tensor x) { return c.optional & which ? x : Tensor(); };
  OpCase op;
  op.op = [](const std::vector<Var>& in) {
    const auto r = ops::lstm(in[0], in[1], in[2], in[3], in[4], in[5].value());
    return std::vector<Var>{r.y, r.h, r.c};
  };
  op.ref = reference([](const auto& in) { return kernels::ref::lstm(in); });
  op.inputs = {normal_input({c.batch, c.length, 4 * c.hidden}, 1),
               normal_input({4 * c.hidden, c.hidden}, 2, 1 / std::sqrt(double(c.hidden))),
               given(kBias, normal_input({4 * c.hidden}, 3)), given(kHidden, normal_input({c.batch, c.hidden}, 4)),
               given(kCell, normal_input({c.batch, c.hidden}, 5)), resets_at(c.batch, c.length, c.starts)};
  return op;
}

TEST(Lstm, PanelsOfItsWeightsChangeNoBit) {
  expect_same_with_panels([](int64_t batch, int64_t hidden) { return lstm_case({batch, 1, hidden}); });
}

TEST(Lstm, MatchesItsDefinition) {
  for (const auto& [batch, length, hidden] : recurrent_sizes()) expect_op("lstm", lstm_case({batch, length, hidden}));
}

TEST(Lstm, OptionalInputsMayBeLeftOut) {
  for (const int optional : {int(kNone), int(kBias), int(kHidden), int(kCell)})
    expect_op("lstm", lstm_case({2, 4, 3, optional}));
}

TEST(Lstm, StateIsZeroWhereADocumentStarts) {
  for (int64_t i = 0; i < 4; ++i) expect_op("lstm", lstm_case({1, 4, 3, kAll, {i}}));
  expect_op("lstm", lstm_case({2, 5, 5, kAll, {0, 3, 4, 9}}));
  expect_op("lstm", lstm_case({2, 3, 2, kNone, {2, 3}}));
}

// Backward computes the cells of a chunk again: lengths that end before, at and after one, starts at its edges.
TEST(Lstm, CellsOfEveryChunkComeBack) {
  constexpr int64_t chunk = kernels::kLstmChunk;
  for (const int64_t length : {chunk - 1, chunk, chunk + 1, 2 * chunk, 3 * chunk + 2}) expect_op("lstm", lstm_case({2, length, 3}));
  for (const int64_t start : {chunk - 1, chunk, chunk + 1, 2 * chunk})
    expect_op("lstm", lstm_case({2, 2 * chunk + 1, 3, kAll, {start, 2 * chunk + 1 + start}}));
  expect_op("lstm", lstm_case({1, 2 * chunk + 3, 2, kNone, {chunk}}));
}

// Forgotten, not multiplied by zero. Without a tape nothing is kept for backward: the cells live elsewhere.
TEST(Lstm, ADocumentForgetsEvenANaN) {
  const OpCase c = lstm_case({1, 4, 3});
  std::vector<Var> in;
  for (size_t i = 0; i < 3; ++i) in.emplace_back(c.inputs[i]);
  const Tensor nan = Tensor::full({1, 3}, NAN, DType::f64), broken = c.inputs[0].narrow(1, 0, 3).clone();
  broken.data<double>()[0] = broken.data<double>()[4] = NAN;
  for (const bool recorded : {false, true}) {
    Tape tape;
    const Var w = recorded ? tape.leaf(c.inputs[1]) : in[1];
    const auto clean = ops::lstm(c.inputs[0].narrow(1, 1, 2), w, in[2], {}, {}, {});
    const auto second = ops::lstm(broken, w, in[2], {}, {}, resets_at(1, 3, {1}));
    EXPECT_TRUE(std::isnan(second.y.value().item(0)));
    expect_same(second.y.value().narrow(1, 1, 2), clean.y.value(), "a start amid the stretch");
    const auto first = ops::lstm(c.inputs[0].narrow(1, 1, 2), w, in[2], nan, nan, resets_at(1, 2, {0}));
    expect_same(first.y.value(), clean.y.value(), "a start at the beginning");
    expect_same(first.c.value(), clean.c.value(), "its cells");
  }
}

TEST(Lstm, RecordingChangesNothing) {
  const OpCase c = lstm_case({7, 5, 33, kAll, {3, 10, 11, 34}});
  Tape tape;
  std::vector<Var> plain, recorded;
  for (const Tensor& x : c.inputs) {
    plain.emplace_back(x);
    recorded.push_back(x.dtype() == DType::i32 ? Var(x) : tape.leaf(x));
  }
  const auto a = c.op(plain), b = c.op(recorded);
  for (size_t j = 0; j < a.size(); ++j) expect_same(a[j].value(), b[j].value(), "output " + std::to_string(j));
}

TEST(Lstm, SameBitsOnThreadsAndTargets) {
  expect_bits("lstm", lstm_case({13, 7, 65}));
  expect_bits("lstm", lstm_case({3, 9, 130}));
  expect_bits("lstm", lstm_case({5, 2 * kernels::kLstmChunk + 3, 33, kAll, {7, 8, 30}}));
}

TEST(Lstm, ARowOfABatchIsTheSameRowAlone) { expect_rows_alone(lstm_case({13, 5, 33}), {0, 3, 4}); }

TEST(Lstm, TwoPartsWithCarriedStateAreTheWhole) {
  expect_parts([](const Tensor& xg, const std::vector<Var>& s, const std::vector<Tensor>& w) {
    const auto r = ops::lstm(xg, w[0], w[1], s.empty() ? Var() : s[0], s.empty() ? Var() : s[1], {});
    return std::vector<Var>{r.y, r.h, r.c};
  }, 17, 4);
}

TEST(Lstm, WritesOverAnInputThatNobodyElseHolds) {
  expect_same_when_handed_over([](Var xg, const Var& w) {
    const auto r = ops::lstm(std::move(xg), w, {}, {}, {}, {});
    return std::vector<Var>{r.y, r.h, r.c};
  }, 4);
}

TEST(Lstm, NamesTheArgumentThatDoesNotFit) {
  const auto run = [](Shape xg, Shape w, Shape c0, Tensor resets) {
    return message_of([=] { ops::lstm(Tensor::zeros(xg), Tensor::zeros(w), {}, {}, Tensor::zeros(c0), resets); });
  };
  EXPECT_EQ(run({2, 7, 20}, {15, 5}, {2, 5}, {}), "[lstm] w_hh has shape [15, 5], expected [20, 5]");
  EXPECT_EQ(run({2, 7, 15}, {20, 5}, {2, 5}, {}), "[lstm] xg has shape [2, 7, 15], expected [batch, length, 20]");
  EXPECT_EQ(run({2, 7, 20}, {20, 5}, {2, 4}, {}), "[lstm] c0 has shape [2, 4], expected [2, 5]");
  EXPECT_EQ(run({2, 0, 20}, {20, 5}, {2, 5}, {}), "[lstm] xg has length 0, expected at least 1");
  EXPECT_EQ(run({2, 7, 20}, {20, 5}, {2, 5}, Tensor::zeros({7, 2}, DType::i32)),
            "[lstm] resets has shape [7, 2], expected [2, 7]");
}

TEST(Lstm, Parity) {
  SKIP_WITHOUT_SHARED();
  expect_cell_parity("lstm", [](std::map<std::string, Var>& in) {
    const auto r = ops::lstm(ops::linear(in["x"], in["w_ih"], in["b_ih"]), in["w_hh"], in["b_hh"], in["h0"], in["c0"], {});
    return std::map<std::string, Var>{{"y", r.y}, {"h_n", r.h}, {"c_n", r.c}};
  });
}

}  // namespace
}  // namespace adder
