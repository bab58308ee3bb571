// The recurrent weights' gradient takes h_{t-1} in parts of its rows: the same bits as one product over all of them.
#include <gtest/gtest.h>

#include <vector>

#include "framework/core/random.h"
#include "kernels/recurrent/rows.h"

namespace kernels {
namespace {

std::vector<float> normal(size_t n, uint64_t seed) {
  const adder::Random random(seed, "test");
  std::vector<float> x(n);
  for (size_t i = 0; i < n; ++i) x[i] = float(random.normal(i));
  return x;
}

TEST(RecurrentWeightGradients, ArePartByPartThoseOfOneProduct) {
  constexpr int64_t batch = 3, length = 1500, hidden = 5, gates = 7, stride = 9, rows = batch * length;
  const auto states = normal(rows * hidden, 1), first = normal(batch * hidden, 2), dgates = normal(rows * stride, 3);
  std::vector<int32_t> resets(rows, 0);
  resets[0] = resets[1600] = resets[2048] = 1;
  const std::vector<float> zero(hidden, 0);
  const recurrent::History<float> h{states.data(), {first.data(), batch, hidden, hidden}, resets.data(), length, hidden, zero.data()};

  std::vector<float> previous(rows * hidden), want = normal(gates * hidden, 4), dw = want;
  for (int64_t i = 0; i < rows; ++i)
    std::copy_n(h.before(i / length, i % length), hidden, previous.data() + i * hidden);
  EXPECT_EQ(previous[0], 0);                                   // a document starts
  EXPECT_EQ(previous[length * hidden], first[hidden]);         // the second row of the batch goes on from its state
  EXPECT_EQ(previous[2049 * hidden], states[2048 * hidden]);   // the second part goes on with its first row's state
  cpu::matmul<float>({.m = gates, .n = hidden, .k = rows, .a = dgates.data(), .a_row = 1, .a_col = stride, .b = previous.data(),
                      .b_row = hidden, .b_col = 1, .c = want.data(), .c_row = hidden, .accumulate = true});

  std::vector<float> bias(gates, 0), sums(gates, 0);
  recurrent::add_weight_gradients<float>(h, {{{dw.data(), gates, hidden, hidden}, bias.data(), {dgates.data(), rows, gates, stride}}});
  EXPECT_EQ(dw, want);
  cpu::column_sum<float>({.x = {dgates.data(), rows, gates, stride}, .sum = sums.data()});
  EXPECT_EQ(bias, sums);
}

}  // namespace
}  // namespace kernels
