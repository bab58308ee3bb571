#include "framework/ops/dense_scan.h"

#include "kernels/dense_scan/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

OpCase scan_case(int64_t batch, int64_t length, int64_t state, bool h0 = true, const std::vector<int64_t>& starts = {}) {
  return {.op = [](const std::vector<Var>& in) {
            const auto r = ops::dense_scan(in[0], in[1], in[2], in[3].value());
            return std::vector<Var>{r.h, r.last};
          },
          .ref = reference([](const auto& in) { return kernels::ref::dense_scan(in); }),
          .inputs = {normal_input({state, state}, 1, 0.6 / std::sqrt(double(state))),
                     normal_input({batch, length, state}, 2), h0 ? normal_input({batch, state}, 3) : Tensor(),
                     resets_at(batch, length, starts)}};
}

TEST(DenseScan, MatchesItsDefinition) {
  for (const bool h0 : {false, true})
    for (auto [batch, length, state] : {std::array<int64_t, 3>{1, 1, 1}, {2, 7, 5}, {3, 4, 17}, {7, 3, 16}})
      expect_op("dense_scan", scan_case(batch, length, state, h0));
}

TEST(DenseScan, ChunkedMatchesItsDefinition) {
  expect_op("dense_scan", scan_case(1, 65, 2));
  expect_op("dense_scan", scan_case(2, 200, 3));
  expect_op("dense_scan", scan_case(1, 192, 2, false));
}

TEST(DenseScan, NoStateCrossesADocumentsStart) {
  for (int64_t i = 0; i < 4; ++i) expect_op("dense_scan", scan_case(1, 4, 3, true, {i}));
  for (const int64_t i : {63, 64, 65, 127, 128}) expect_op("dense_scan", scan_case(1, 140, 2, true, {0, i}));
}

TEST(DenseScan, ADocumentForgetsEvenAnInfinity) {
  const Tensor a = Tensor::full({1, 1}, 0.5), x = Tensor::full({1, 100, 1}, 1);
  x.data<float>()[3] = INFINITY;
  const Tensor h = ops::dense_scan(a, x, {}, resets_at(1, 100, {30})).h.value();
  EXPECT_EQ(h.item(29), INFINITY);
  EXPECT_EQ(h.item(30), 1);
  EXPECT_NEAR(h.item(99), 2, 1e-6);
}

TEST(DenseScan, SameBitsOnThreadsAndTargets) { expect_bits("dense_scan", scan_case(5, 300, 33)); }

// What a stretch gives does not depend on what follows it.
TEST(DenseScan, APrefixHasTheSameBits) {
  const auto inputs = scan_case(2, 200, 9).inputs;
  const Tensor a = inputs[0].to(DType::f32), x = inputs[1].to(DType::f32), whole = ops::dense_scan(a, x).h.value();
  for (const int64_t n : {1, 63, 64, 65, 130}) {
    const Tensor part = ops::dense_scan(a, x.narrow(1, 0, n)).h.value(), want = whole.narrow(1, 0, n);
    for (int64_t i = 0; i < part.size(); ++i) ASSERT_EQ(part.item(i), want.item(i));
  }
}

TEST(DenseScan, NamesTheArgumentThatDoesNotFit) {
  EXPECT_EQ(message_of([] { ops::dense_scan(Tensor::zeros({2, 3}), Tensor::zeros({1, 4, 2})); }),
            "[dense_scan] a has shape [2, 3], expected [2, 2]");
}

}  // namespace
}  // namespace adder
