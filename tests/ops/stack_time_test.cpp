#include "framework/ops/stack_time.h"

#include <cmath>

#include "kernels/array.h"
#include "tests/support/check.h"

namespace adder {
namespace {

template <class T>
kernels::Arrays<T> stacked(const kernels::Arrays<T>& in) {
  const auto [batch, channels] = kernels::dims<2>(in[0]);
  kernels::Array<T> y({batch, int64_t(in.size()), channels});
  for (int64_t b = 0; b < batch; ++b)
    for (size_t t = 0; t < in.size(); ++t)
      for (int64_t c = 0; c < channels; ++c) y(b, int64_t(t), c) = in[t](b, c);
  return {y};
}

TEST(StackTime, MatchesItsDefinition) {
  for (const auto& [batch, length, channels] : {std::array<int64_t, 3>{1, 1, 1}, {2, 3, 5}, {3, 2, 17}, {2, 7, 1}}) {
    OpCase c;
    c.op = [](const std::vector<Var>& in) { return std::vector<Var>{ops::stack_time(in)}; };
    c.ref = reference([](const auto& in) { return stacked(in); });
    for (int64_t t = 0; t < length; ++t) c.inputs.push_back(normal_input({batch, channels}, uint64_t(t + 1)));
    expect_op("stack_time", c);
  }
}

TEST(StackTime, NamesTheStepThatDoesNotFit) {
  EXPECT_EQ(message_of([] { ops::stack_time({}); }), "[stack_time] no steps, expected at least 1");
  EXPECT_EQ(message_of([] { ops::stack_time({Tensor::zeros({2, 3}), Tensor::zeros({2, 4})}); }),
            "[stack_time] steps[1] has shape [2, 4], expected [2, 3]");
}

template <class T>
kernels::Arrays<T> cleared(const kernels::Arrays<T>& in) {
  kernels::Array<T> y = in[0];
  for (int64_t b = 0; b < y.dim(0); ++b)
    for (int64_t c = 0; c < y.dim(1) && in[1](b) != T(0); ++c) y(b, c) = T{};
  return {y};
}

TEST(ClearRows, MatchesItsDefinition) {
  for (const auto& starts : {std::vector<int32_t>{0, 0, 0}, {1, 0, 1}, {1, 1, 1}}) {
    OpCase c;
    c.op = [](const std::vector<Var>& in) { return std::vector<Var>{ops::clear_rows(in[0], in[1].value())}; };
    c.ref = reference([](const auto& in) { return cleared(in); });
    c.inputs = {normal_input({3, 5}, 1), Tensor::from<int32_t>({3}, starts)};
    expect_op("clear_rows", c);
  }
}

TEST(ClearRows, NothingOfAClearedRowIsRead) {
  const Tensor y = ops::clear_rows(Tensor::full({2, 3}, NAN), Tensor::from<int32_t>({2}, {0, 1})).value();
  for (int64_t i = 0; i < 3; ++i) EXPECT_TRUE(std::isnan(y.item(i)));
  for (int64_t i = 3; i < 6; ++i) EXPECT_EQ(y.item(i), 0);
}

TEST(ClearRows, NamesTheArgumentThatDoesNotFit) {
  EXPECT_EQ(message_of([] { ops::clear_rows(Tensor::zeros({2, 3}), Tensor::zeros({3}, DType::i32)); }),
            "[clear_rows] starts has shape [3], expected [2]");
  EXPECT_EQ(message_of([] { ops::clear_rows(Tensor::zeros({2, 3}), Tensor::zeros({2})); }),
            "[clear_rows] starts has dtype float32, expected int32");
}

}  // namespace
}  // namespace adder
