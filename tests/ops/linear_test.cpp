#include "framework/ops/linear.h"

#include <set>

#include "kernels/matmul/matmul.h"
#include "kernels/matmul/ref.h"
#include "kernels/simd_target.h"
#include "tests/support/check.h"
#include "tests/support/same.h"

namespace adder {
namespace {

OpCase linear_case(int64_t rows, int64_t k, int64_t n, bool bias) {
  OpCase c{.op = [](const std::vector<Var>& in) { return std::vector<Var>{ops::linear(in[0], in[1], in[2])}; },
           .ref = reference([](const auto& in) { return kernels::ref::linear(in); }),
           .inputs = {normal_input({rows, k}, 1), normal_input({n, k}, 2), Tensor()}};
  if (bias) c.inputs[2] = normal_input({n}, 3);
  return c;
}

TEST(Linear, MatchesItsDefinition) {
  for (bool bias : {false, true})
    for (auto [rows, k, n] : {std::array<int64_t, 3>{1, 1, 1}, {3, 5, 7}, {15, 9, 33}, {17, 4, 2}, {2, 19, 6}})
      expect_op("linear", linear_case(rows, k, n, bias));
}

TEST(Linear, SameBitsOnThreadsAndTargets) {
  expect_bits("linear", linear_case(300, 801, 130, true));
  expect_bits("linear", linear_case(70, 129, 9000, false));
}

TEST(Linear, ARowOfABatchHasTheBitsOfThatRowAlone) {
  const Tensor x = normal_input({333, 500}, 1).to(DType::f32), w = normal_input({217, 500}, 2).to(DType::f32);
  const Tensor all = ops::linear(x, w).value();
  for (int64_t i : {0, 100, 332}) {
    const Tensor one = ops::linear(x.narrow(0, i, 1), w).value();
    for (int64_t j = 0; j < 217; ++j) ASSERT_EQ(one.item(j), all.item(i * 217 + j)) << i << ", " << j;
  }
}

// Rows by ways of their own: few with a large matrix, whose next panel is asked for meanwhile (on to its very end), and many.
TEST(Linear, FewRowsOfALargeMatrixHaveTheBitsOfMany) {
  const int64_t many = 300, k = 701, n = 1003;
  const Tensor x = normal_input({many, k}, 1).to(DType::f32), w = normal_input({n, k}, 2).to(DType::f32);
  const Tensor dy = normal_input({many, n}, 3).to(DType::f32);
  const auto results = [&](int64_t rows) {
    Tape tape;
    const Var in = tape.leaf(x.narrow(0, 0, rows).clone());
    const Var y = ops::linear(in, w, {});
    Tensor dx;
    watch(in, [&](const Tensor& g) { dx = g.clone(); });
    tape.backward({{y, dy.narrow(0, 0, rows).clone()}});
    return std::pair{y.value(), dx};
  };
  const auto [y, dx] = results(many);
  for (const int64_t rows : {5, 13, 40, 64, 201}) {
    const auto [few_y, few_dx] = results(rows);
    expect_same(few_y, y.narrow(0, 0, rows), "y of " + std::to_string(rows));
    expect_same(few_dx, dx.narrow(0, 0, rows), "dx of " + std::to_string(rows));
  }
}

TEST(Linear, PanelsAreMadeByTheFirstProductAndChangeNoBit) {
  for (const bool bf16 : {false, true}) {
    const Tensor x = normal_input({3, 37}, 1).to(DType::f32);
    Tensor w = normal_input({50, 37}, 2).to(DType::f32);
    w.multiply_in_bf16(bf16);
    const Tensor plain = ops::linear(x, w).value();
    w.keep_panels(std::make_shared<Tensor::Panels>());
    const Tensor packed = ops::linear(x, w).value();
    ASSERT_TRUE(w.panels()->data.defined());
    for (int64_t i = 0; i < plain.size(); ++i) ASSERT_EQ(plain.item(i), packed.item(i)) << i;
    w.zero();  // it is not read any more
    for (const Tensor again = ops::linear(x, w).value(); const int64_t i : {0, 149}) EXPECT_EQ(again.item(i), plain.item(i));
  }
}

TEST(Linear, PanelsAreMadeAnewForAnotherTarget) {
  const Tensor x = normal_input({3, 37}, 1).to(DType::f32);
  Tensor w = normal_input({50, 37}, 2).to(DType::f32);
  const Tensor plain = ops::linear(x, w).value();
  w.keep_panels(std::make_shared<Tensor::Panels>());
  std::set<int> forms;
  for (const std::string& target : kernels::simd_targets()) {
    kernels::set_simd_target(target);
    const Tensor y = ops::linear(x, w).value();
    for (int64_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(plain.item(i), y.item(i), target == "scalar" ? 1e-5 : 0) << target << ", " << i;
    EXPECT_EQ(w.panels()->form, kernels::panels_form(false));
    forms.insert(w.panels()->form);
  }
  kernels::set_simd_target("");
  EXPECT_EQ(forms.size(), kernels::simd_targets().size());
}

TEST(Linear, NoPanelsWhereTheyWouldNotBeReadOrAreClosed) {
  Tensor w = normal_input({50, 37}, 2).to(DType::f32);
  w.keep_panels(std::make_shared<Tensor::Panels>());
  ops::linear(normal_input({65, 37}, 1).to(DType::f32), w);
  EXPECT_FALSE(w.panels()->data.defined());
  w.panels()->closed = true;
  ops::linear(normal_input({1, 37}, 1).to(DType::f32), w);
  EXPECT_FALSE(w.panels()->data.defined());
}

TEST(Linear, ViewsAndClonesKeepNoPanels) {
  Tensor w = normal_input({50, 37}, 2).to(DType::f32);
  w.multiply_in_bf16(true);
  w.keep_panels(std::make_shared<Tensor::Panels>());
  for (const Tensor& other : {w.narrow(0, 3, 20), w.reshape({25, 74}), w.clone()}) EXPECT_EQ(other.panels(), nullptr);
  EXPECT_EQ(w.narrow(0, 3, 20).multiplies_in_bf16(), true);
  EXPECT_NE(Tensor(w).panels(), nullptr);
}

// Small integers are bfloat16 numbers, and their sums are exact: the mark must change nothing. Of other numbers it must.
TEST(Linear, InBf16RoundsTheOperandsOfAllThreeProductsAndNothingElse) {
  const auto results = [](bool whole, bool bf16) {
    const auto draw = [&](const Shape& shape, uint64_t seed) {
      const Tensor t = normal_input(shape, seed, 3).to(DType::f32);
      for (int64_t i = 0; whole && i < t.size(); ++i) t.data<float>()[i] = std::round(t.data<float>()[i]);
      return t;
    };
    const Tensor x = draw({21, 37}, 1), dy = draw({21, 50}, 4);
    Tensor w = draw({50, 37}, 2);
    w.multiply_in_bf16(bf16);
    Tape tape;
    const Var in = tape.leaf(x), weight = tape.leaf(w), bias = tape.leaf(draw({50}, 3));
    std::vector<Tensor> all = {ops::linear(in, weight, bias).value()};
    for (const Var& v : {in, weight, bias}) watch(v, [&all](const Tensor& g) { all.push_back(g.clone()); });
    tape.backward({{ops::linear(in, weight, bias), dy}});
    return all;
  };
  const auto exact = results(true, false), same = results(true, true), other = results(false, true), near = results(false, false);
  ASSERT_EQ(exact.size(), 4u);
  for (size_t r = 0; r < exact.size(); ++r) {
    bool differs = false;
    for (int64_t i = 0; i < exact[r].size(); ++i) {
      EXPECT_EQ(exact[r].item(i), same[r].item(i));
      differs |= other[r].item(i) != near[r].item(i);
    }
    EXPECT_EQ(differs, exact[r].rank() == 2);  // the bias' gradient is a sum of float32
  }
}

TEST(Linear, RefusesShapesThatDoNotFit) {
  try {
    ops::linear(Var(Tensor::zeros({2, 7})), Var(Tensor::zeros({3, 5})));
    FAIL() << "no error";
  } catch (const std::exception& e) {
    EXPECT_STREQ(e.what(), "[linear] w has shape [3, 5], expected [n, 7]");
  }
}

}  // namespace
}  // namespace adder
