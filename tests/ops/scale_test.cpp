#include "framework/ops/scale.h"

#include "kernels/scale/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

OpCase scale_case(int64_t rows, int64_t columns, bool by_row) {
  return {.op = [by_row](const std::vector<Var>& in) {
            return std::vector<Var>{by_row ? ops::scale_rows(in[0], in[1]) : ops::scale_columns(in[0], in[1])};
          },
          .ref = reference([by_row](const auto& in) { return kernels::ref::scale(in, by_row); }),
          .inputs = {normal_input({rows, columns}, 1), normal_input({by_row ? rows : columns}, 2)}};
}

TEST(Scale, MatchesItsDefinition) {
  for (const bool by_row : {false, true})
    for (auto [rows, columns] : {std::array<int64_t, 2>{1, 1}, {2, 7}, {5, 16}, {70, 33}})
      expect_op(by_row ? "scale_rows" : "scale_columns", scale_case(rows, columns, by_row));
}

TEST(Scale, SameBitsOnThreadsAndTargets) {
  for (const bool by_row : {false, true}) expect_bits("scale", scale_case(300, 401, by_row));
}

TEST(Scale, ColumnsOfAnyLeadingAxes) {
  const Tensor y = ops::scale_columns(Tensor::full({2, 3, 2}, 1), Tensor::from<float>({2}, {3, 5})).value();
  for (int64_t i = 0; i < y.size(); ++i) EXPECT_EQ(y.item(i), i % 2 ? 5 : 3);
}

TEST(Scale, NamesTheArgumentThatDoesNotFit) {
  EXPECT_EQ(message_of([] { ops::scale_columns(Tensor::zeros({2, 3}), Tensor::zeros({2})); }),
            "[scale_columns] x has shape [2, 3], expected [..., 2]");
  EXPECT_EQ(message_of([] { ops::scale_rows(Tensor::zeros({2, 3}), Tensor::zeros({3})); }),
            "[scale_rows] s has shape [3], expected [2]");
}

}  // namespace
}  // namespace adder
