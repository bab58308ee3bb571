#include "models/gru.h"

#include "tests/models/recurrent_support.h"

namespace adder {
namespace {

using Made = Alone<Gru, GruOptions>;

GruOptions options(int64_t hidden, bool fused = true) {
  GruOptions o;
  o.d_hidden = hidden, o.fused = fused;
  return o;
}

TEST(GruMixer, PartsAndStepsAreTheWhole) {
  for (const bool fused : {true, false}) expect_parts_and_steps<Gru>(5, options(7, fused));
  expect_parts_and_steps<Gru>(1, options(0));
  expect_parts_and_steps<Gru>(33, options(0));
}

TEST(GruMixer, ADocumentSeesNothingOfTheOneBefore) {
  for (const bool fused : {true, false}) expect_isolated_documents<Gru>(5, options(0, fused));
}

TEST(GruMixer, TheNaiveFormHasTheSameNumbers) {
  expect_naive_is_fused<Gru>(5, options(7));
  expect_naive_is_fused<Gru>(3, options(0));
}

TEST(GruMixer, StartsAsTorchDoes) {
  const Made m(30, options(50), DType::f32);
  const double bound = 1 / std::sqrt(50.0);
  EXPECT_EQ(m.list.find("weight_ih")->value.shape(), (Shape{150, 30}));
  EXPECT_EQ(m.list.find("weight_hh")->value.shape(), (Shape{150, 50}));
  for (const char* name : {"weight_ih", "weight_hh", "bias_ih", "bias_hh"})
    expect_uniform_rows(m.list.find(name)->value, 0, 150, bound);
}

TEST(GruMixer, OrthogonalGates) {
  GruOptions o = options(17);
  o.initialization = "orthogonal";
  expect_orthogonal_gates(Made(4, o, DType::f32).list.find("weight_hh")->value);
}

}  // namespace
}  // namespace adder
