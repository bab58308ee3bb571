#include "models/rnn.h"

#include "tests/models/recurrent_support.h"

namespace adder {
namespace {

using Made = Alone<Rnn, RnnOptions>;

RnnOptions options(int64_t hidden, const std::string& nonlinearity = "tanh", bool fused = true,
                   const std::string& initialization = "uniform") {
  RnnOptions o;
  o.d_hidden = hidden, o.nonlinearity = nonlinearity, o.fused = fused, o.initialization = initialization;
  return o;
}

TEST(RnnMixer, PartsAndStepsAreTheWhole) {
  for (const bool fused : {true, false})
    for (const char* f : {"tanh", "relu"}) expect_parts_and_steps<Rnn>(5, options(7, f, fused));
  expect_parts_and_steps<Rnn>(1, options(0));
  expect_parts_and_steps<Rnn>(33, options(0));
}

TEST(RnnMixer, ADocumentSeesNothingOfTheOneBefore) {
  for (const bool fused : {true, false}) expect_isolated_documents<Rnn>(5, options(0, "tanh", fused));
}

TEST(RnnMixer, TheNaiveFormHasTheSameNumbers) {
  for (const char* f : {"tanh", "relu"}) expect_naive_is_fused<Rnn>(5, options(7, f));
  expect_naive_is_fused<Rnn>(3, options(0));
}

TEST(RnnMixer, StartsAsTorchDoes) {
  const Made m(30, options(50), DType::f32, 4);
  const double bound = 1 / std::sqrt(50.0);
  expect_uniform_rows(m.list.find("weight_ih")->value, 0, 50, bound);
  expect_uniform_rows(m.list.find("weight_hh")->value, 0, 50, bound);
  expect_uniform_rows(m.list.find("bias_ih")->value, 0, 50, bound);
  expect_uniform_rows(m.list.find("bias_hh")->value, 0, 50, bound);
  expect_uniform_rows(m.list.find("out_proj.weight")->value, 0, 30, bound / 2);
  EXPECT_EQ(m.list.find("weight_ih")->value.shape(), (Shape{50, 30}));
  EXPECT_EQ(m.list.size(), 5u);
  EXPECT_TRUE(m.list.find("weight_hh")->decay);
  EXPECT_FALSE(m.list.find("bias_hh")->decay);
  EXPECT_EQ(Made(30, options(0), DType::f32).list.find("out_proj.weight"), nullptr);
}

TEST(RnnMixer, StartsOfTheRecurrentWeight) {
  const auto weight = [](const char* kind, int64_t n) {
    return Made(4, options(n, "tanh", true, kind), DType::f32).list.find("weight_hh")->value;
  };
  for (const int64_t n : {1, 2, 40}) expect_orthogonal_gates(weight("orthogonal", n));
  const Tensor one = weight("identity", 9), normal = weight("gaussian", 60);
  for (int64_t i = 0; i < 81; ++i) EXPECT_EQ(one.item(i), i / 9 == i % 9);
  double square = 0;
  for (int64_t i = 0; i < 3600; ++i) square += normal.item(i) * normal.item(i) / 3600;
  EXPECT_NEAR(square, 1.0 / 60, 4.0 / 60 * std::sqrt(2.0 / 3600));
}

// One initialiser may serve several parameters, in any order of elements.
TEST(RnnMixer, AnOrthogonalStartIsAFunctionOfStreamAndElement) {
  const Initializer f = init::orthogonal(3), g = init::orthogonal(3);
  const Random one(1, "one"), two(1, "two");
  EXPECT_EQ(f(one, 4), g(one, 4));
  EXPECT_EQ(f(two, 13), g(two, 13));
  EXPECT_EQ(f(one, 13), g(one, 13));
  EXPECT_EQ(f(one, 4), g(one, 4));
  EXPECT_NE(f(one, 4), f(two, 4));
  EXPECT_NE(f(one, 4), f(one, 13));
}

}  // namespace
}  // namespace adder
