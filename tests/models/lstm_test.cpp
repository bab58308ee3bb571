#include "models/lstm.h"

#include "tests/models/recurrent_support.h"

namespace adder {
namespace {

using Made = Alone<Lstm, LstmOptions>;

LstmOptions options(int64_t hidden, bool fused = true) {
  LstmOptions o;
  o.d_hidden = hidden, o.fused = fused;
  return o;
}

TEST(LstmMixer, PartsAndStepsAreTheWhole) {
  for (const bool fused : {true, false}) expect_parts_and_steps<Lstm>(5, options(7, fused));
  expect_parts_and_steps<Lstm>(1, options(0));
  expect_parts_and_steps<Lstm>(33, options(0));
}

TEST(LstmMixer, ADocumentSeesNothingOfTheOneBefore) {
  for (const bool fused : {true, false}) expect_isolated_documents<Lstm>(5, options(0, fused));
}

TEST(LstmMixer, TheNaiveFormHasTheSameNumbers) {
  expect_naive_is_fused<Lstm>(5, options(7));
  expect_naive_is_fused<Lstm>(3, options(0));
}

TEST(LstmMixer, StartsAsTorchDoesWithAForgetBias) {
  const Made m(30, options(50), DType::f32);
  const double bound = 1 / std::sqrt(50.0);
  EXPECT_EQ(m.list.find("weight_ih")->value.shape(), (Shape{200, 30}));
  expect_uniform_rows(m.list.find("weight_ih")->value, 0, 200, bound);
  expect_uniform_rows(m.list.find("weight_hh")->value, 0, 200, bound);
  for (int64_t gate = 0; gate < 4; ++gate)
    expect_uniform_rows(m.list.find("bias_ih")->value, gate * 50, 50, bound, gate == 1 ? 1 : 0);
  expect_uniform_rows(m.list.find("bias_hh")->value, 0, 200, bound);
}

TEST(LstmMixer, OrthogonalGates) {
  LstmOptions o = options(23);
  o.initialization = "orthogonal";
  const Tensor w = Made(4, o, DType::f32).list.find("weight_hh")->value;
  expect_orthogonal_gates(w);
  EXPECT_NE(bits(w.narrow(0, 0, 23)), bits(w.narrow(0, 23, 23)));
}

// Forget gates remember for up to T steps: e^bias is uniform between 1 and T - 1. Input gates: the opposite.
TEST(LstmMixer, ChronoStart) {
  LstmOptions o = options(200);
  o.chrono_steps = 100, o.forget_bias = 3;
  const Made m(4, o, DType::f64);
  const Tensor ih = m.list.find("bias_ih")->value, hh = m.list.find("bias_hh")->value;
  double mean = 0;
  for (int64_t j = 0; j < 200; ++j) {
    const double steps = std::exp(ih.item(200 + j));
    EXPECT_GE(steps, 1 - 1e-6);
    EXPECT_LE(steps, 99 + 1e-4);
    EXPECT_EQ(ih.item(j), -ih.item(200 + j));
    EXPECT_EQ(hh.item(j), 0);
    EXPECT_EQ(hh.item(200 + j), 0);
    mean += steps / 200;
  }
  EXPECT_NEAR(mean, 50, 4 * 98 / std::sqrt(12.0 * 200));
  expect_uniform_rows(ih, 400, 400, 1 / std::sqrt(200.0));
  expect_uniform_rows(hh, 400, 400, 1 / std::sqrt(200.0));
}

TEST(LstmMixer, RefusesChronoStepsOfOne) {
  LstmOptions o = options(4);
  o.chrono_steps = 1;
  EXPECT_THROW(Made(4, o, DType::f32), UsageError);
  EXPECT_EQ(message_of([&] { Made(4, o, DType::f32); }),
            "[lstm] chrono_steps is 1, expected 0 (off) or at least 2");
  o.chrono_steps = 2;  // log U[1, 1]
  const Tensor bias = Made(4, o, DType::f32).list.find("bias_ih")->value;
  for (int64_t i = 0; i < 8; ++i) EXPECT_EQ(bias.item(i), 0);
}

}  // namespace
}  // namespace adder
