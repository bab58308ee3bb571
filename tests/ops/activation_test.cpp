#include "framework/ops/activation.h"

#include <cmath>
#include <cstring>

#include "kernels/activation/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

using Kind = kernels::ActivationKind;

struct Named {
  const char* name;
  Var (*op)(const Var&);
  Kind kind;
};
const Named kAll[] = {{"silu", ops::silu, Kind::silu},
                      {"gelu_tanh", ops::gelu_tanh, Kind::gelu_tanh},
                      {"gelu_erf", ops::gelu_erf, Kind::gelu_erf},
                      {"relu", ops::relu, Kind::relu},
                      {"relu_squared", ops::relu_squared, Kind::relu_squared},
                      {"sigmoid", ops::sigmoid, Kind::sigmoid},
                      {"tanh", ops::tanh, Kind::tanh},
                      {"softplus", ops::softplus, Kind::softplus},
                      {"neg_exp", ops::neg_exp, Kind::neg_exp},
                      {"exp", ops::exp, Kind::exp},
                      {"sin", ops::sin, Kind::sin},
                      {"cos", ops::cos, Kind::cos}};

OpCase activation_case(const Named& f, const Tensor& x) {
  return {.op = [f](const std::vector<Var>& in) { return std::vector<Var>{f.op(in[0])}; },
          .ref = reference([f](const auto& in) { return kernels::ref::activation(f.kind, in); }),
          .inputs = {x}};
}

TEST(Activation, MatchesItsDefinition) {
  for (const Named& f : kAll)
    for (const Shape& shape : {Shape{1}, {3, 5}, {2, 3, 19}})
      for (double scale : {1.0, 6.0, 1e-3})
        expect_op(f.name, activation_case(f, normal_input(shape, 3, scale)));
}

TEST(Activation, SameBitsOnThreadsAndTargets) {
  for (const Named& f : kAll) expect_bits(f.name, activation_case(f, normal_input({501, 77}, 4, 3)));
}

// Of many runs, whose bits are those of fewer.
TEST(Activation, ALargeOneHasTheBitsOfItsParts) {
  const int64_t n = (int64_t{1} << 21) + 5, part = n / 2;
  const Tensor x = Tensor::empty({n}), dy = Tensor::empty({n});
  for (int64_t i = 0; i < n; ++i) x.data<float>()[i] = float(i % 1001) / 100 - 5, dy.data<float>()[i] = float(i % 7) - 3;
  const auto run = [&](int64_t first, int64_t count) {
    Tape tape;
    const Var in = tape.leaf(x.narrow(0, first, count).clone());
    Tensor gradient;
    watch(in, [&](const Tensor& g) { gradient = g.clone(); });
    const Var y = ops::silu(in);
    tape.backward({{y, dy.narrow(0, first, count).clone()}});
    return std::pair{y.value(), gradient};
  };
  const auto whole = run(0, n), left = run(0, part), right = run(part, n - part);
  const auto same = [](const Tensor& a, const Tensor& b) { return std::memcmp(a.raw(), b.raw(), size_t(b.size()) * sizeof(float)) == 0; };
  EXPECT_TRUE(same(whole.first.narrow(0, 0, part), left.first) && same(whole.first.narrow(0, part, n - part), right.first));
  EXPECT_TRUE(same(whole.second.narrow(0, 0, part), left.second) && same(whole.second.narrow(0, part, n - part), right.second));
}

// Far out every function meets its asymptote, and no slope is NaN where an intermediate would overflow.
TEST(Activation, StaysFiniteFarOut) {
  for (const Named& f : kAll)
    for (const DType dtype : {DType::f32, DType::f64})
      for (double at : {-1e30, -800.0, -90.0, 0.0, 60.0, 90.0, 1e18}) {
        if ((f.kind == Kind::neg_exp || f.kind == Kind::exp) && at > 80) continue;
        Tape tape;
        Parameter x{.name = "x", .value = Tensor::full({1}, at, dtype)};
        const Var y = f.op(tape.use(x));
        tape.backward(y);
        const double want = kernels::ref::activation(f.kind, x.value.item());
        EXPECT_NEAR(y.value().item(), want, 1e-6 * (1 + std::abs(want))) << f.name << " at " << at;
        EXPECT_TRUE(std::isfinite(x.grad.item())) << f.name << "' at " << at << " is " << x.grad.item();
      }
}

TEST(Activation, KeepsNaN) {
  for (const Named& f : kAll)
    for (const DType dtype : {DType::f32, DType::f64})
      EXPECT_TRUE(std::isnan(f.op(Tensor::full({3}, NAN, dtype)).value().item(1))) << f.name;
}

TEST(Activation, RefusesIntegers) {
  try {
    ops::silu(Tensor::zeros({2}, DType::i32));
    FAIL() << "no error";
  } catch (const std::exception& e) {
    EXPECT_STREQ(e.what(), "[silu] an input has dtype int32, expected float32 or float64");
  }
}

}  // namespace
}  // namespace adder
