#include "framework/ops/selective_scan.h"

#include <cmath>

#include "kernels/selective_scan/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

enum Optional { kNone = 0, kSkip = 1, kGate = 2, kBias = 4, kState = 8, kAll = 15 };
enum Variant { kPlain = 0, kSigned = 1, kFixedB = 2, kFixedC = 4, kNoDelta = 8 };

struct Case {
  int64_t batch, length, channels, state;
  int optional = kAll;
  bool softplus = true;
  std::vector<int32_t> resets = {};
  int variant = kPlain;
};

OpCase scan_case(const Case& c) {
  const Shape rows = {c.batch, c.length, c.channels}, in = {c.batch, c.length, c.state}, fixed = {c.channels, c.state};
  const Tensor resets = c.resets.empty() ? Tensor() : Tensor::from<int32_t>({c.batch, c.length}, c.resets);
  const auto given = [&](int which, Tensor x) { return c.optional & which ? x : Tensor(); };
  return {.op =
              [=](const std::vector<Var>& v) {
                const auto r = ops::selective_scan({v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], resets}, c.softplus,
                                                  c.variant & kSigned);
                return std::vector<Var>{r.y, r.last};
              },
          .ref = reference([=](const auto& v) {
            return kernels::ref::selective_scan(v, c.softplus, std::vector<int>(c.resets.begin(), c.resets.end()),
                                                c.variant & kSigned);
          }),
          .inputs = {normal_input(rows, 1),
                     c.variant & kNoDelta ? Tensor()
                     : c.softplus         ? normal_input(rows, 2)
                                          : uniform_input(rows, 2, 0.01, 0.5),
                     uniform_input({c.channels, c.state}, 3, -1, -0.1),
                     normal_input(c.variant & kFixedB ? fixed : in, 4), normal_input(c.variant & kFixedC ? fixed : in, 5),
                     given(kSkip, normal_input({c.channels}, 6)), given(kGate, normal_input(rows, 7)),
                     given(kBias, normal_input({c.channels}, 8)),
                     given(kState, normal_input({c.batch, c.channels, c.state}, 9))}};
}

TEST(SelectiveScan, MatchesItsDefinition) {
  for (const Case& c : {Case{1, 1, 1, 1}, Case{2, 7, 5, 3}, Case{1, 19, 3, 2}, Case{2, 9, 3, 16}, Case{1, 8, 17, 1}})
    expect_op("selective_scan", scan_case(c));
}

TEST(SelectiveScan, EveryOptionalInputMayBeLeftOut) {
  for (int optional : {int(kNone), int(kSkip), int(kGate), int(kBias), int(kState)})
    expect_op("selective_scan", scan_case({2, 10, 3, 2, optional, optional != kNone}));
}

TEST(SelectiveScan, StateIsZeroWhereADocumentStarts) {
  expect_op("selective_scan", scan_case({1, 10, 3, 2, kAll, true, {0, 0, 1, 1, 0, 0, 0, 0, 1, 0}}));
  expect_op("selective_scan", scan_case({2, 9, 2, 16, kAll, true, {1, 0, 0, 0, 0, 0, 0, 1, 0, /**/ 0, 1, 0, 0, 0, 0, 0, 0, 1}}));
}

// Signed transitions, and every choice of what is selective: Mamba's ablations.
TEST(SelectiveScan, VariantsMatchTheirDefinitions) {
  for (int variant = 1; variant < 16; ++variant)
    expect_op("selective_scan", scan_case({2, 10, 3, 2, kAll, true, {}, variant}));
  for (int variant : {int(kSigned), kFixedB | kFixedC | kNoDelta, 15}) {
    expect_op("selective_scan", scan_case({2, 9, 17, 3, kBias, true, {}, variant}));
    expect_op("selective_scan", scan_case({1, 10, 3, 16, kAll, true, {0, 0, 1, 1, 0, 0, 0, 0, 1, 0}, variant}));
  }
  expect_op("selective_scan", scan_case({1, 5, 2, 3, kNone, false, {}, kSigned | kFixedB}));
}

// dt A = -40 turns the state round: -1 but for 2 e^-40.
TEST(SelectiveScan, SignedTransitionsReachMinusOne) {
  const auto full = [](Shape s, double x) { return Var(Tensor::full(s, x)); };
  ops::SelectiveScanInputs in{full({1, 4, 1}, 0), full({1, 4, 1}, 1), full({1, 1}, -40), full({1, 4, 1}, 1),
                              full({1, 4, 1}, 1), {}, {}, {}, full({1, 1, 1}, 3), {}};
  const Tensor y = ops::selective_scan(in, false, true).y.value();
  for (int64_t t = 0; t < 4; ++t) EXPECT_EQ(y.item(t), t % 2 ? 3 : -3) << t;
}

TEST(SelectiveScan, ResetsMayBeStrided) {
  const OpCase plain = scan_case({2, 5, 3, 2, kAll, true, {0, 0, 1, 0, 0, /**/ 0, 1, 0, 0, 1}});
  const Tensor wide = Tensor::from<int32_t>({2, 7}, {1, 0, 0, 1, 0, 0, 1, /**/ 1, 0, 1, 0, 0, 1, 1});
  OpCase strided = plain;
  strided.op = [resets = wide.narrow(-1, 1, 5)](const std::vector<Var>& v) {
    const auto r = ops::selective_scan({v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], resets}, true);
    return std::vector<Var>{r.y, r.last};
  };
  expect_op("selective_scan", plain);
  expect_op("selective_scan, strided resets", strided);
}

TEST(SelectiveScan, SameBitsOnThreadsAndTargets) {
  expect_bits("selective_scan", scan_case({3, 100, 300, 16}));
  expect_bits("selective_scan", scan_case({2, 37, 150, 5}));
  expect_bits("selective_scan", scan_case({3, 37, 150, 16, kAll, true, {}, kSigned}));
  expect_bits("selective_scan", scan_case({3, 37, 150, 5, kAll, true, {}, kFixedB | kFixedC | kNoDelta}));
}

TEST(SelectiveScan, TwoHalvesWithCarriedStateAreTheWhole) {
  const OpCase c = scan_case({2, 21, 33, 16});
  std::vector<Tensor> x;
  for (const Tensor& t : c.inputs) x.push_back(t.to(DType::f32));
  const auto run = [&](int64_t from, int64_t length, const Var& h0) {
    const auto part = [&](size_t i) { return Var(x[i].narrow(1, from, length)); };
    return ops::selective_scan({part(0), part(1), x[2], part(3), part(4), x[5], part(6), x[7], h0, {}});
  };
  const auto whole = run(0, 21, x[8]);
  for (int64_t cut : {1, 8, 13, 20}) {
    const auto first = run(0, cut, x[8]), second = run(cut, 21 - cut, first.last);
    for (int64_t i = 0; i < second.last.value().size(); ++i)
      ASSERT_EQ(second.last.value().item(i), whole.last.value().item(i)) << "cut " << cut;
    const Tensor tail = whole.y.value().narrow(1, cut, 21 - cut).clone();
    for (int64_t i = 0; i < tail.size(); ++i) ASSERT_EQ(second.y.value().item(i), tail.item(i)) << "cut " << cut;
  }
}

// A step by itself goes another way than a stretch of steps: from either to the other with the same bits, also where exp(dt A)
// leaves the number range.
void expect_steps_are_the_whole(const Case& shape, DType type, double steps_scale) {
  const OpCase c = scan_case(shape);
  std::vector<Var> x;
  for (const Tensor& t : c.inputs) x.push_back(t.defined() ? Var(t.to(type)) : Var());
  std::vector<double> delta;
  for (int64_t i = 0; i < x[1].value().size(); ++i) delta.push_back(x[1].value().item(i) * steps_scale);
  x[1] = Var(Tensor::from<double>(x[1].shape(), delta).to(type));
  const auto run = [&](int64_t from, int64_t length, const Var& h0) {
    const auto part = [&](size_t i) { return x[i].defined() ? Var(x[i].value().narrow(1, from, length)) : Var(); };
    const Tensor resets =
        shape.resets.empty() ? Tensor() : Tensor::from<int32_t>({shape.batch, shape.length}, shape.resets).narrow(1, from, length);
    return ops::selective_scan({part(0), part(1), x[2], part(3), part(4), x[5], part(6), x[7], h0, resets}, shape.softplus);
  };
  const auto same = [](const Tensor& a, const Tensor& b) {
    for (int64_t i = 0; i < a.size(); ++i)
      if (a.item(i) != b.item(i) && !(std::isnan(a.item(i)) && std::isnan(b.item(i)))) return false;
    return true;
  };
  const auto whole = run(0, shape.length, x[8]);
  Var h = x[8];
  for (int64_t t = 0; t < shape.length; ++t) {
    const auto step = run(t, 1, h);
    ASSERT_TRUE(same(step.y.value().clone(), whole.y.value().narrow(1, t, 1).clone())) << "step " << t;
    h = step.last;
  }
  ASSERT_TRUE(same(h.value(), whole.last.value()));
}

TEST(SelectiveScan, StepByStepIsTheWhole) {
  for (const DType type : {DType::f32, DType::f64})
    for (int64_t state : {16, 32}) {
      expect_steps_are_the_whole({2, 9, 300, state}, type, 1);
      expect_steps_are_the_whole({2, 9, 37, state, kNone, false}, type, 1);
      expect_steps_are_the_whole({1, 6, 37, state, kBias | kState, true, {0, 1, 0, 0, 1, 0}}, type, 1);
      expect_steps_are_the_whole({1, 6, 37, state, kAll, true}, type, 300);    // e^-300 and below
      expect_steps_are_the_whole({1, 6, 37, state, kAll, false}, type, -300);  // to infinity
    }
}

TEST(SelectiveScan, ASingleStepMatchesItsDefinition) {
  for (const Case& c : {Case{2, 1, 37, 16}, Case{3, 1, 16, 32, kNone, false}, Case{2, 1, 5, 16, kAll, true, {1, 0}}})
    expect_op("selective_scan", scan_case(c));
  expect_bits("selective_scan", scan_case({3, 1, 300, 16}));
}

TEST(SelectiveScan, NamesTheArgumentThatDoesNotFit) {
  const auto zeros = [](Shape s) { return Var(Tensor::zeros(s)); };
  ops::SelectiveScanInputs in{zeros({2, 7, 5}), zeros({2, 7, 5}), zeros({5, 3}), zeros({4, 3}), zeros({2, 7, 3}),
                              {}, {}, {}, {}, {}};
  EXPECT_EQ(message_of([&] { ops::selective_scan(in); }), "[selective_scan] B has shape [4, 3], expected [5, 3]");
  in.B = zeros({5, 3}), in.delta = {};
  EXPECT_EQ(message_of([&] { ops::selective_scan(in); }),
            "[selective_scan] neither delta nor delta_bias is given, expected at least one");
  try {
    ops::selective_scan({zeros({2, 7, 5}), zeros({2, 7, 4}), zeros({5, 3}), zeros({2, 7, 3}), zeros({2, 7, 3}), {}, {}, {}, {}, {}});
    FAIL() << "no error";
  } catch (const std::exception& e) {
    EXPECT_STREQ(e.what(), "[selective_scan] delta has shape [2, 7, 4], expected [2, 7, 5]");
  }
}

}  // namespace
}  // namespace adder
