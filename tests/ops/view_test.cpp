#include "framework/ops/view.h"

#include "framework/ops/activation.h"
#include "framework/ops/add.h"
#include "tests/support/check.h"

namespace adder {
namespace {

Tensor counting(const Shape& shape) {
  const Tensor t = Tensor::empty(shape, DType::f64);
  for (int64_t i = 0; i < t.size(); ++i) t.data<double>()[i] = double(i);
  return t;
}

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "no error";
}

TEST(View, NarrowSharesStorageAndAddsIntoTheWholeGradient) {
  Tape tape;
  Parameter p{.name = "p", .value = counting({2, 5})};
  const Var part = ops::narrow(tape.use(p), -1, 1, 3);
  EXPECT_TRUE(part.value().same_storage(p.value));
  EXPECT_EQ(part.value().item(3), 6);
  tape.backward({{part, Tensor::full({2, 3}, 2, DType::f64)}});
  for (int64_t i = 0; i < 10; ++i) EXPECT_EQ(p.grad.item(i), i % 5 >= 1 && i % 5 <= 3 ? 2 : 0) << i;
}

TEST(View, ANarrowMiddleAxisGivesAnOpItsWholeGradient) {
  // (2, 5, 3) cut to (2, 2, 3): rows of the gradient no longer step evenly.
  Tape tape;
  Parameter p{.name = "p", .value = counting({2, 5, 3})};
  tape.backward({{ops::relu(ops::narrow(tape.use(p), 1, 3, 2)), Tensor::full({2, 2, 3}, 1, DType::f64)}});
  for (int64_t i = 0; i < 30; ++i) EXPECT_EQ(p.grad.item(i), i / 3 % 5 >= 3 ? 1 : 0) << i;
}

TEST(View, SplitCutsTheLastAxis) {
  Tape tape;
  Parameter p{.name = "p", .value = counting({3, 6})};
  const auto parts = ops::split(tape.use(p), {1, 2, 3});
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[2].shape(), (Shape{3, 3}));
  EXPECT_EQ(parts[2].value().item(0), 3);
  tape.backward({{ops::relu(parts[1]), Tensor::full({3, 2}, 1, DType::f64)},
                 {ops::relu(parts[2]), Tensor::full({3, 3}, 5, DType::f64)}});
  const double want[6] = {0, 1, 1, 5, 5, 5};
  for (int64_t i = 1; i < 18; ++i) EXPECT_EQ(p.grad.item(i), want[i % 6]) << i;
}

TEST(View, ReshapePassesGradientsWhateverTheStrides) {
  Tape tape;
  Parameter p{.name = "p", .value = counting({2, 3, 4})};
  const Var x = tape.use(p);
  const Var whole = ops::reshape(x, {6, 4});
  EXPECT_TRUE(whole.value().same_storage(p.value));
  const Var cut = ops::reshape(ops::narrow(x, -1, 1, 3), {18});  // no view can do this
  EXPECT_EQ(cut.value().item(3), 5);
  tape.backward({{whole, counting({6, 4})}, {cut, Tensor::full({18}, 100, DType::f64)}});
  for (int64_t i = 0; i < 24; ++i) EXPECT_EQ(p.grad.item(i), double(i) + (i % 4 ? 100 : 0)) << i;
}

TEST(View, ViewsOfAConstantRecordNothing) {
  const Var x = counting({2, 4});
  EXPECT_EQ(ops::narrow(x, 0, 1, 1).tape(), nullptr);
  EXPECT_EQ(ops::reshape(x, {8}).tape(), nullptr);
}

TEST(View, RefusesWhatDoesNotFit) {
  const Var x = counting({2, 7});
  EXPECT_EQ(message_of([&] { ops::split(x, {2, 3}); }), "[split] x has shape [2, 7], expected [..., 5]");
  EXPECT_EQ(message_of([&] { ops::narrow(x, 1, 5, 3); }), "[narrow] axis 1, 5 + 3 lies outside shape [2, 7]");
  EXPECT_EQ(message_of([&] { ops::reshape(x, {3, 5}); }), "[reshape] shape [2, 7] can't become [3, 5]");
}

}  // namespace
}  // namespace adder
