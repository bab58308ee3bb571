#include "framework/ops/causal_conv1d.h"

#include <cmath>
#include <cstring>

#include "kernels/causal_conv1d/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

struct Case {
  int64_t batch, length, channels, taps;
  bool silu = true, bias = true, x0 = true;
  std::vector<int64_t> starts = {};  // document starts, positions in the flattened (batch, length)
};

OpCase conv_case(const Case& c) {
  OpCase op;
  op.op = [silu = c.silu](const std::vector<Var>& in) {
    const auto [y, last] = ops::causal_conv1d(in[0], in[1], in[2], in[3], in[4].value(), silu);
    return std::vector<Var>{y, last};
  };
  op.ref = reference([silu = c.silu](const auto& in) { return kernels::ref::causal_conv1d(in, silu); });
  op.inputs = {normal_input({c.batch, c.length, c.channels}, 1), normal_input({c.channels, c.taps}, 2, 0.5),
               c.bias ? normal_input({c.channels}, 3) : Tensor(),
               c.x0 ? normal_input({c.batch, c.taps - 1, c.channels}, 4) : Tensor(), resets_at(c.batch, c.length, c.starts)};
  return op;
}

TEST(CausalConv1d, MatchesItsDefinition) {
  for (const Case& c :
       {Case{2, 7, 5, 4}, Case{1, 1, 1, 4}, Case{2, 3, 17, 4}, Case{1, 2, 3, 7}, Case{3, 5, 4, 2},
        Case{2, 6, 1, 3}, Case{1, 11, 35, 4, false}, Case{2, 5, 3, 4, true, false, false},
        Case{2, 4, 9, 3, false, false, true}, Case{1, 9, 16, 4, true, true, false}})
    expect_op("causal_conv1d", conv_case(c));
}

TEST(CausalConv1d, OneTapCarriesNothing) {
  expect_op("causal_conv1d", conv_case({2, 5, 6, 1, true, true, false}));
  const auto r = ops::causal_conv1d(Tensor::zeros({2, 5, 6}), Tensor::zeros({6, 1}), {}, {}, {}, false);
  EXPECT_EQ(r.last.shape(), (Shape{2, 0, 6}));
}

// Over a block of time (128) and of channels (1024), and with whole tiles of positions in between.
TEST(CausalConv1d, CrossesBlocks) {
  expect_op("causal_conv1d", conv_case({1, 130, 2, 4, true, true, true, {127, 129}}));
  expect_op("causal_conv1d", conv_case({1, 140, 1, 4}));
  expect_op("causal_conv1d", conv_case({2, 15, 3, 4, true, true, true, {8, 21}}));
  expect_op("causal_conv1d", conv_case({1, 1, 1027, 2}));
}

TEST(CausalConv1d, DocumentsDoNotSeeEachOther) {
  for (int64_t i = 0; i < 6; ++i) expect_op("causal_conv1d", conv_case({1, 6, 3, 4, true, true, true, {i}}));
  expect_op("causal_conv1d", conv_case({2, 7, 3, 4, true, true, true, {0, 3, 4, 9, 13}}));
  expect_op("causal_conv1d", conv_case({1, 5, 2, 4, true, true, true, {0, 1, 2, 3, 4}}));
  expect_op("causal_conv1d", conv_case({1, 2, 3, 6, false, true, true, {1}}));
  expect_op("causal_conv1d", conv_case({1, 3, 3, 6, false, true, false, {0, 2}}));
}

TEST(CausalConv1d, SameBitsOnThreadsAndTargets) {
  expect_bits("causal_conv1d", conv_case({3, 300, 77, 4}));
  expect_bits("causal_conv1d", conv_case({2, 150, 1030, 4, true, true, true, {0, 70, 127, 128, 299}}));
  expect_bits("causal_conv1d", conv_case({1, 257, 19, 5, false}));
}

Tensor positions(const Tensor& t, int64_t first, int64_t count) { return t.narrow(1, first, count); }

void expect_same_bits(const Tensor& got, const Tensor& want) {
  const Tensor a = got.clone(), b = want.clone();
  ASSERT_EQ(a.shape(), b.shape());
  EXPECT_EQ(std::memcmp(a.raw(), b.raw(), size_t(a.size()) * bytes_of(a.dtype())), 0);
}

// Cut anywhere, even into stretches shorter than the window, the whole comes back bit for bit.
TEST(CausalConv1d, CarriedInputsContinueTheSequence) {
  const Case c{2, 140, 37, 4, true, true, true, {0, 5, 130, 144, 270}};
  const auto in = conv_case(c).inputs;
  const Tensor x = in[0].to(DType::f32), w = in[1].to(DType::f32), bias = in[2].to(DType::f32), resets = in[4];
  for (const bool carried_start : {false, true}) {
    const Var x0 = carried_start ? Var(in[3].to(DType::f32)) : Var();
    const auto whole = ops::causal_conv1d(x, w, bias, x0, resets, true);
    for (const int64_t cut : {1, 2, 3, 6, 128, 139}) {
      const int64_t rest = c.length - cut;
      const auto head = ops::causal_conv1d(positions(x, 0, cut), w, bias, x0, positions(resets, 0, cut), true);
      const auto tail =
          ops::causal_conv1d(positions(x, cut, rest), w, bias, head.last, positions(resets, cut, rest), true);
      expect_same_bits(head.y.value(), positions(whole.y.value(), 0, cut));
      expect_same_bits(tail.y.value(), positions(whole.y.value(), cut, rest));
      expect_same_bits(tail.last.value(), whole.last.value());
    }
  }
}

// A part of wider rows and of a longer sequence at once; the gradient lands in the middle of the whole one's.
TEST(CausalConv1d, TakesAPartOfALongerSequence) {
  const Tensor wide = normal_input({2, 9, 10}, 1), w = normal_input({4, 3}, 2), dy = normal_input({2, 5, 4}, 3);
  const auto part = [](const Tensor& t) { return t.narrow(1, 2, 5).narrow(2, 3, 4); };
  Tape tape;
  const Var x = tape.leaf(wide);
  const auto got = ops::causal_conv1d(record_view(x, part(wide), part), w, {}, {}, {}, true);
  Tensor dx;
  watch(x, [&](const Tensor& g) { dx = g.clone(); });
  tape.backward({{got.y, dy}});

  Tape other;
  const Var alone = other.leaf(part(wide).clone());
  const auto want = ops::causal_conv1d(alone, w, {}, {}, {}, true);
  expect_same_bits(got.y.value(), want.y.value());
  expect_same_bits(got.last.value(), want.last.value());
  watch(alone, [&](const Tensor& g) { expect_same_bits(part(dx), g); });
  other.backward({{want.y, dy}});
  double total = 0, inside = 0;
  for (int64_t i = 0; i < dx.size(); ++i) total += std::abs(dx.item(i));
  for (int64_t i = 0; i < part(dx).size(); ++i) inside += std::abs(part(dx).item(i));
  EXPECT_GT(inside, 0);
  EXPECT_NEAR(total, inside, 1e-12 * inside);
}

template <class F>
std::string message(F f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "no error";
}

TEST(CausalConv1d, RefusesShapesThatDoNotFit) {
  const Tensor x = Tensor::zeros({2, 7, 5}), w = Tensor::zeros({5, 4});
  EXPECT_EQ(message([&] { ops::causal_conv1d(x, Tensor::zeros({4, 4}), {}, {}, {}, true); }),
            "[causal_conv1d] w has shape [4, 4], expected [5, taps]");
  EXPECT_EQ(message([&] { ops::causal_conv1d(x, w, {}, Tensor::zeros({2, 4, 5}), {}, true); }),
            "[causal_conv1d] x0 has shape [2, 4, 5], expected [2, 3, 5]");
  EXPECT_EQ(message([&] { ops::causal_conv1d(Tensor::zeros({2, 0, 5}), w, {}, {}, {}, true); }),
            "[causal_conv1d] x has length 0 and w 4 taps, expected at least 1");
  EXPECT_EQ(message([&] { ops::causal_conv1d(x, w, {}, {}, Tensor::zeros({2, 7}), true); }),
            "[causal_conv1d] resets has dtype float32, expected int32");
}

}  // namespace
}  // namespace adder
