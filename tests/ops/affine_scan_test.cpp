#include "framework/ops/affine_scan.h"

#include "kernels/affine_scan/affine_scan.h"
#include "kernels/affine_scan/ref.h"
#include "tests/ops/recurrent_support.h"

namespace adder {
namespace {

struct Case {
  int64_t batch, length, n;
  bool h0 = true;
  std::vector<int64_t> starts = {};
  double stddev = 1;  // of the matrices, over sqrt(n)
};

OpCase scan_case(const Case& c) {
  OpCase op;
  op.op = [](const std::vector<Var>& in) {
    const auto r = ops::affine_scan(in[0], in[1], in[2], in[3].value());
    return std::vector<Var>{r.h, r.last};
  };
  op.ref = reference([](const auto& in) { return kernels::ref::affine_scan(in); });
  op.inputs = {normal_input({c.batch, c.length, c.n, c.n}, 1, c.stddev / std::sqrt(double(c.n))),
               normal_input({c.batch, c.length, c.n}, 2), c.h0 ? normal_input({c.batch, c.n}, 3) : Tensor(),
               resets_at(c.batch, c.length, c.starts)};
  return op;
}

TEST(AffineScan, MatchesItsDefinition) {
  for (const auto& [batch, length, n] :
       std::vector<std::array<int64_t, 3>>{{1, 1, 1},
                                           {2, 6, 7},
                                           {1, 3, 17},
                                           {3, 4, 1},
                                           {1, 2 * kernels::kAffineChunk, 2},
                                           {2, 2 * kernels::kAffineChunk + 3, 3}})
    expect_op("affine_scan", scan_case({batch, length, n, true, {}, 0.7}));
  expect_op("affine_scan", scan_case({2, 40, 2, false, {}, 0.7}));
}

TEST(AffineScan, StateIsZeroWhereADocumentStarts) {
  for (int64_t i : {0, 1, 31, 32, 33, 39}) expect_op("affine_scan", scan_case({1, 40, 2, true, {i}, 0.7}));
  expect_op("affine_scan", scan_case({2, 70, 2, true, {0, 5, 64, 71, 100}, 0.7}));
}

TEST(AffineScan, SameBitsOnThreadsAndTargets) {
  expect_bits("affine_scan", scan_case({3, 100, 17}));
  expect_bits("affine_scan", scan_case({1, 70, 33}));
}

TEST(AffineScan, ARowOfABatchIsTheSameRowAlone) { expect_rows_alone(scan_case({5, 67, 5}), {0, 1, 2}); }

// Products of a chunk's matrices overflow, the states do not.
TEST(AffineScan, StepsWhereAProductOverflows) {
  const int64_t length = 80, n = 2;
  const Tensor a = Tensor::full({1, length, n, n}, 1e15), x = Tensor::zeros({1, length, n});
  x.data<float>()[length * n - 1] = 3;
  const auto r = ops::affine_scan(a, x, Tensor::zeros({1, n}));
  EXPECT_EQ(r.last.value().item(0), 0);
  EXPECT_EQ(r.last.value().item(1), 3);
}

TEST(AffineScan, ADocumentForgetsEvenANaN) {
  const Tensor a = normal_input({1, 70, 3, 3}, 1, 0.4), x = normal_input({1, 70, 3}, 2);
  const Tensor bad = x.clone();
  bad.narrow(1, 0, 50).fill(NAN);
  const Tensor resets = resets_at(1, 70, {50});
  expect_same(ops::affine_scan(a, bad, {}, resets).h.value().narrow(1, 50, 20),
              ops::affine_scan(a, x, {}, resets).h.value().narrow(1, 50, 20), "after the start");
}

TEST(AffineScan, NamesTheArgumentThatDoesNotFit) {
  const auto run = [](Shape a, Shape x) {
    return message_of([=] { ops::affine_scan(Tensor::zeros(a), Tensor::zeros(x)); });
  };
  EXPECT_EQ(run({2, 7, 3, 4}, {2, 7, 3}), "[affine_scan] a has shape [2, 7, 3, 4], expected [2, 7, 3, 3]");
  EXPECT_EQ(run({2, 0, 3, 3}, {2, 0, 3}), "[affine_scan] x has length 0, expected at least 1");
}

}  // namespace
}  // namespace adder
