#include "framework/ops/gated.h"

#include <cmath>

#include "kernels/gated/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

using kernels::GateKind;

OpCase swiglu_case(const Shape& shape, double scale) {
  return {.op = [](const std::vector<Var>& in) { return std::vector<Var>{ops::swiglu(in[0], in[1])}; },
          .ref = reference([](const auto& in) { return kernels::ref::gated(GateKind::silu, in); }),
          .inputs = {normal_input(shape, 1, scale), normal_input(shape, 2)}};
}

// The halves of the rows of x, as the reference of gated wants them: gate last in x, first there.
template <class T>
kernels::Arrays<T> glu_reference(const kernels::Arrays<T>& in) {
  const auto [rows, columns] = kernels::dims<2>(in[0]);
  kernels::Array<T> gate({rows, columns / 2}), up({rows, columns / 2});
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns / 2; ++j) up(i, j) = in[0](i, j), gate(i, j) = in[0](i, j + columns / 2);
  return kernels::ref::gated(GateKind::sigmoid, kernels::Arrays<T>{gate, up});
}

OpCase glu_case(int64_t rows, int64_t columns) {
  return {.op = [](const std::vector<Var>& in) { return std::vector<Var>{ops::glu(in[0])}; },
          .ref = reference([](const auto& in) { return glu_reference(in); }),
          .inputs = {normal_input({rows, columns}, 1, 3)}};
}

TEST(Gated, SwigluMatchesItsDefinition) {
  for (const Shape& shape : {Shape{1}, {3, 5}, {2, 3, 19}})
    for (double scale : {1.0, 6.0}) expect_op("swiglu", swiglu_case(shape, scale));
}

TEST(Gated, GluMatchesItsDefinition) {
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>{1, 2}, {3, 10}, {5, 38}})
    expect_op("glu", glu_case(rows, columns));
}

TEST(Gated, SameBitsOnThreadsAndTargets) {
  expect_bits("swiglu", swiglu_case({501, 77}, 2));
  expect_bits("glu", glu_case(501, 154));
}

TEST(Gated, GateAndValueMayBeOneVariable) {
  // y = silu(x) x, y' = silu'(x) x + silu(x)
  Tape tape;
  Parameter p{.name = "p", .value = Tensor::full({20}, 0.5, DType::f64)};
  const Var x = tape.use(p);
  tape.backward(ops::swiglu(x, x));
  const double s = 1 / (1 + std::exp(-0.5)), silu = 0.5 * s, slope = s + silu * (1 - s);
  for (int i = 0; i < 20; ++i) EXPECT_NEAR(p.grad.item(i), slope * 0.5 + silu, 1e-14);
}

TEST(Gated, KeepsNaN) {
  const Var nan = Tensor::full({2}, NAN), one = Tensor::full({2}, 1);
  EXPECT_TRUE(std::isnan(ops::swiglu(nan, one).value().item()));
  EXPECT_TRUE(std::isnan(ops::glu(nan).value().item()));
  EXPECT_TRUE(std::isnan(ops::glu(Tensor::from<float>({2}, std::vector<float>{1, NAN})).value().item()));
}

TEST(Gated, RefusesAnOddLastAxis) {
  try {
    ops::glu(Var(Tensor::zeros({2, 7})));
    FAIL() << "no error";
  } catch (const std::exception& e) {
    EXPECT_STREQ(e.what(), "[glu] x has shape [2, 7], expected an even last axis");
  }
}

}  // namespace
}  // namespace adder
