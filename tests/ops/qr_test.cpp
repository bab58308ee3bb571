#include "framework/ops/qr.h"

#include <cmath>

#include "kernels/qr/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

// Near the identity where the matrix is square, so that its condition does not eat the digits of float32.
OpCase qr_case(int64_t batch, int64_t k, int64_t n) {
  const Tensor x = normal_input({batch, k, n}, 1, 0.25);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t i = 0; i < k; ++i) x.data<double>()[(b * k + i) * n + i] += 1;
  return {.op = [](const std::vector<Var>& in) {
            const ops::QrResult r = ops::qr(in[0]);
            return std::vector<Var>{r.q, r.log_r};
          },
          .ref = reference([](const auto& in) { return kernels::ref::qr(in); }),
          .inputs = {x}};
}

TEST(Qr, MatchesItsDefinition) {
  for (const auto& [batch, k, n] : {std::array<int64_t, 3>{2, 1, 7}, {3, 4, 9}, {1, 5, 5}, {2, 8, 33}})
    expect_op("qr", qr_case(batch, k, n));
}

TEST(Qr, SameBitsOnThreadsAndTargets) { expect_bits("qr", qr_case(9, 16, 70)); }

// Rows that differ in 1e-9 only: once through Gram-Schmidt would leave them a thousandth from perpendicular.
TEST(Qr, NearlyParallelRowsBecomeOrthonormal) {
  const int64_t k = 6, n = 20;
  const Tensor x = Tensor::full({1, k, n}, 1, DType::f64), noise = normal_input({1, k, n}, 4, 1e-9);
  x.add(noise);
  const Tensor q = ops::qr(x).q.value();
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j <= i; ++j) {
      double dot = 0;
      for (int64_t c = 0; c < n; ++c) dot += q.item(i * n + c) * q.item(j * n + c);
      EXPECT_NEAR(dot, i == j ? 1 : 0, 1e-14) << i << ", " << j;
    }
}

TEST(Qr, RowsThatDependOnOneAnotherLeaveNothing) {
  const Tensor x = Tensor::zeros({1, 2, 3}, DType::f64);
  x.data<double>()[0] = 1;
  EXPECT_EQ(ops::qr(x).log_r.value().item(1), -INFINITY);
}

TEST(Qr, NamesTheArgumentThatDoesNotFit) {
  EXPECT_EQ(message_of([] { ops::qr(Tensor::zeros({2, 3})); }), "[qr] x has shape [2, 3], expected [batch, k, n]");
  EXPECT_EQ(message_of([] { ops::qr(Tensor::zeros({2, 4, 3})); }), "[qr] x has 4 rows of 3 numbers, expected at most 3");
}

}  // namespace
}  // namespace adder
