#include "framework/ops/cross_entropy.h"

#include <cmath>

#include "framework/ops/add.h"
#include "kernels/cross_entropy/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

OpCase cross_entropy_case(int64_t rows, int32_t vocabulary, double scale, int32_t ignored = -100) {
  return {.op = [ignored](const std::vector<Var>& in) {
            return std::vector<Var>{ops::cross_entropy(in[0], in[1].value(), ignored)};
          },
          .ref = reference([ignored](const auto& in) {
            auto both = kernels::ref::cross_entropy(in, ignored);
            both.resize(1);
            return both;
          }),
          .inputs = {normal_input({rows, vocabulary}, 1, scale), index_input({rows}, 2, vocabulary)}};
}

// Loss and mean log(Z)^2; check_op asks for the gradient of either by itself, too.
OpCase z_case(int64_t rows, int32_t vocabulary, double scale, int32_t ignored = -100) {
  return {.op = [ignored](const std::vector<Var>& in) {
            const auto [loss, square] = ops::cross_entropy_and_z(in[0], in[1].value(), ignored);
            return std::vector<Var>{loss, square};
          },
          .ref = reference([ignored](const auto& in) { return kernels::ref::cross_entropy(in, ignored); }),
          .inputs = {normal_input({rows, vocabulary}, 1, scale), index_input({rows}, 2, vocabulary)}};
}

Tensor labels_of(const std::vector<int32_t>& labels) {
  return Tensor::from<int32_t>({int64_t(labels.size())}, labels);
}

TEST(CrossEntropy, MatchesItsDefinition) {
  for (auto [rows, vocabulary] : {std::pair<int64_t, int32_t>{1, 2}, {3, 5}, {7, 16}, {5, 33}})
    for (double scale : {0.1, 3.0}) expect_op("cross_entropy", cross_entropy_case(rows, vocabulary, scale));
  expect_op("cross_entropy, class 1 ignored", cross_entropy_case(9, 3, 1, 1));
}

TEST(CrossEntropy, WithZMatchesItsDefinition) {
  for (auto [rows, vocabulary] : {std::pair<int64_t, int32_t>{1, 2}, {3, 5}, {7, 16}, {5, 33}})
    for (double scale : {0.1, 3.0}) expect_op("cross_entropy and z", z_case(rows, vocabulary, scale));
  expect_op("cross_entropy and z, class 1 ignored", z_case(9, 3, 1, 1));
  expect_bits("cross_entropy and z", z_case(2000, 65, 2));
}

TEST(CrossEntropy, TheLossBesideZHasTheBitsOfTheLossAlone) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor labels = index_input({37}, 2, 65);
    Parameter x{.name = "x", .value = normal_input({37, 65}, 1, 2).to(dtype)}, y{.name = "y", .value = x.value};
    Tape one, two;
    const Var alone = ops::cross_entropy(one.use(x), labels);
    const Var beside = ops::cross_entropy_and_z(two.use(y), labels).loss;
    EXPECT_EQ(alone.value().item(), beside.value().item());
    one.backward(alone), two.backward(beside);
    for (int64_t i = 0; i < x.value.size(); ++i) ASSERT_EQ(x.grad.item(i), y.grad.item(i));
  }
}

TEST(CrossEntropy, SameBitsOnThreadsAndTargets) {
  expect_bits("cross_entropy", cross_entropy_case(2000, 65, 2));
  expect_bits("cross_entropy", cross_entropy_case(3, 20011, 2));
}

TEST(CrossEntropy, LargeLogitsOverflowNothing) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    Tape tape;
    Parameter x{
        .name = "x",
        .value = Tensor::from<double>({2, 3}, std::vector<double>{1e4, -1e4, 0, 300, 301, -1e30}).to(dtype)};
    const Var loss = ops::cross_entropy(tape.use(x), labels_of({1, 0}));
    EXPECT_NEAR(loss.value().item(), (2e4 + std::log1p(std::exp(1.0))) / 2, 1e-3);
    tape.backward(loss);
    EXPECT_NEAR(x.grad.item(0), 0.5, 1e-7);
    EXPECT_NEAR(x.grad.item(1), -0.5, 1e-7);
    EXPECT_EQ(x.grad.item(5), 0);
  }
}

TEST(CrossEntropy, AllIgnoredIsZeroWithZeroGradient) {
  Tape tape;
  Parameter x{.name = "x", .value = Tensor::full({2, 3}, 1)};
  const Var loss = ops::cross_entropy(tape.use(x), labels_of({-100, -100}));
  EXPECT_EQ(loss.value().item(), 0);
  tape.backward(loss);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(x.grad.item(i), 0);
}

TEST(CrossEntropy, KeepsNaN) {
  const Tensor x = Tensor::zeros({1, 40});
  x.data<float>()[37] = NAN;
  EXPECT_TRUE(std::isnan(ops::cross_entropy(x, labels_of({0})).value().item()));
}

TEST(CrossEntropy, TokenLossesAddUpToTheMean) {
  const Tensor x = normal_input({2, 3, 7}, 5).to(DType::f32);
  const Tensor labels = Tensor::from<int32_t>({2, 3}, std::vector<int32_t>{0, 6, -100, 3, 2, 2});
  const Tensor each = ops::token_losses(x, labels);
  ASSERT_EQ(each.shape(), (Shape{2, 3}));
  EXPECT_EQ(each.dtype(), DType::f64);
  EXPECT_EQ(each.item(2), 0);
  double total = 0;
  for (int i = 0; i < 6; ++i) total += each.item(i);
  EXPECT_EQ(float(ops::cross_entropy(x, labels).value().item()), float(total / 5));
}

TEST(CrossEntropy, NamesALabelOutOfRange) {
  try {
    ops::cross_entropy(Var(Tensor::zeros({2, 65})), labels_of({0, 70}));
    FAIL() << "no error";
  } catch (const std::exception& e) {
    EXPECT_STREQ(e.what(), "[cross_entropy] labels[1] is 70, expected 0 to 64, or -100 to ignore it");
  }
  try {
    ops::cross_entropy(Var(Tensor::zeros({2, 65})), labels_of({0}));
    FAIL() << "no error";
  } catch (const std::exception& e) {
    EXPECT_STREQ(e.what(), "[cross_entropy] labels has shape [1], expected [2]");
  }
}

TEST(CrossEntropy, TheGradientTakesThePlaceOfLogitsThatNobodyHolds) {
  for (const bool held : {false, true}) {
    Tape tape;
    const Tensor values = normal_input({3, 40}, 1).to(DType::f32);
    Var logits = ops::add(tape.leaf(values), Tensor::zeros({3, 40}));
    const Tensor kept = held ? logits.value() : Tensor(), copy = logits.value().clone();
    const void* place = logits.value().raw();
    Tensor gradient;
    bool in_place = false;
    watch(logits, [&](const Tensor& g) { gradient = g.clone(), in_place = g.raw() == place; });
    const Var loss = ops::cross_entropy(logits, labels_of({5, -100, 39}));
    logits = Var();
    tape.backward(loss);
    EXPECT_EQ(in_place, !held);
    for (int64_t i = 0; held && i < kept.size(); ++i) ASSERT_EQ(kept.item(i), copy.item(i));
    Tape other;
    const Var x = other.leaf(values);
    Tensor expected;
    watch(x, [&](const Tensor& g) { expected = g.clone(); });
    other.backward(ops::cross_entropy(x, labels_of({5, -100, 39})));
    for (int64_t i = 0; i < expected.size(); ++i) ASSERT_EQ(gradient.item(i), expected.item(i)) << i;
  }
}

}  // namespace
}  // namespace adder
