#include "framework/ops/squared_error.h"

#include <cmath>

#include "kernels/squared_error/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

// Targets are constants, so that no gradient is asked of them.
OpCase error_case(int64_t rows, int32_t ignored = -100) {
  const Tensor targets = normal_input({rows}, 5);
  std::vector<double> wanted;
  for (int64_t i = 0; i < rows; ++i) wanted.push_back(targets.item(i));
  return {.op = [=](const std::vector<Var>& in) {
            return std::vector<Var>{ops::mean_squared_error(in[0], targets, in[1].value(), ignored)};
          },
          .ref = reference([=](const auto& in) { return kernels::ref::squared_error(in, wanted, ignored); }),
          .inputs = {normal_input({rows, 1}, 1), index_input({rows}, 2, 3)}};
}

TEST(MeanSquaredError, MatchesItsDefinition) {
  for (const int64_t rows : {1, 3, 17, 40}) expect_op("mean_squared_error", error_case(rows));
  expect_op("mean_squared_error, some ignored", error_case(23, 1));
}

TEST(MeanSquaredError, SameBitsOnThreadsAndTargets) {
  OpCase c = error_case(3001);
  c.op = [inner = c.op](const std::vector<Var>& in) {  // of float inputs alone
    return inner({in[0], Tensor::zeros({3001}, DType::i32)});
  };
  c.inputs.resize(1);
  expect_bits("mean_squared_error", c);
}

TEST(MeanSquaredError, AllIgnoredIsZeroWithZeroGradient) {
  Tape tape;
  Parameter y{.name = "y", .value = Tensor::full({2, 1}, 3)};
  const Var loss = ops::mean_squared_error(tape.use(y), Tensor::zeros({2}), Tensor::full({2}, -100, DType::i32));
  EXPECT_EQ(loss.value().item(), 0);
  tape.backward(loss);
  EXPECT_EQ(y.grad.item(0), 0);
}

TEST(MeanSquaredError, KeepsNaN) {
  const Tensor y = Tensor::full({1, 1}, NAN);
  EXPECT_TRUE(std::isnan(ops::mean_squared_error(y, Tensor::zeros({1}), Tensor::zeros({1}, DType::i32)).value().item()));
}

TEST(MeanSquaredError, ErrorsOfPositionsAddUpToTheMean) {
  const Tensor y = normal_input({2, 3, 1}, 5).to(DType::f32), targets = normal_input({2, 3}, 6).to(DType::f32);
  const Tensor labels = Tensor::from<int32_t>({2, 3}, std::vector<int32_t>{0, 0, -100, 0, -100, 0});
  const Tensor each = ops::squared_errors(y, targets, labels);
  ASSERT_EQ(each.shape(), (Shape{2, 3}));
  EXPECT_EQ(each.item(2), 0);
  EXPECT_EQ(each.item(1), std::pow(y.item(1) - targets.item(1), 2));
  double total = 0;
  for (int i = 0; i < 6; ++i) total += each.item(i);
  EXPECT_EQ(float(ops::mean_squared_error(y, targets, labels).value().item()), float(total / 4));
}

TEST(MeanSquaredError, NamesTheArgumentThatDoesNotFit) {
  const Tensor y = Tensor::zeros({2, 1}), labels = Tensor::zeros({2}, DType::i32);
  EXPECT_EQ(message_of([&] { ops::mean_squared_error(y, Tensor::zeros({3}), labels); }),
            "[mean_squared_error] targets has shape [3], expected [2]");
  EXPECT_EQ(message_of([&] { ops::mean_squared_error(Tensor::zeros({2, 2}), Tensor::zeros({2}), labels); }),
            "[mean_squared_error] y has shape [2, 2], expected [..., 1]");
  EXPECT_EQ(message_of([&] { ops::mean_squared_error(y, Tensor::zeros({2}), Tensor::zeros({2})); }),
            "[mean_squared_error] labels has dtype float32, expected int32");
}

}  // namespace
}  // namespace adder
