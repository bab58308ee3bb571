// The complex step is only as good as these overloads: value against the real function, slope against a central
// difference.
#include "kernels/reference_math.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace kernels::ref {
namespace {

struct Function {
  std::string name;
  std::function<double(double)> value;
  std::function<Complex(const Complex&)> complex_step;
  std::vector<double> at;
};

const std::vector<double> kAnywhere = {-3.2, -0.7, -1e-3, 0.4, 1.0, 5.5}, kPositive = {1e-3, 0.4, 1.0, 7.5};

#define FUNCTION(f, points) \
  Function { #f, [](double x) { return f(x); }, [](const Complex& x) { return f(x); }, points }

TEST(ReferenceMath, SlopesAgreeWithCentralDifferences) {
  const Function all[] = {
      FUNCTION(exp, kAnywhere),      FUNCTION(log, kPositive),  FUNCTION(log1p, kPositive),
      FUNCTION(expm1, kAnywhere),    FUNCTION(sqrt, kPositive), FUNCTION(sin, kAnywhere),
      FUNCTION(cos, kAnywhere),      FUNCTION(tanh, kAnywhere), FUNCTION(erf, kAnywhere),
      FUNCTION(erfc, kAnywhere),     FUNCTION(abs, kAnywhere),  FUNCTION(sigmoid, kAnywhere),
      FUNCTION(softplus, kAnywhere), FUNCTION(silu, kAnywhere)};
  for (const Function& f : all)
    for (double x : f.at) {
      const double h = 1e-5 * std::abs(x), central = (f.value(x + h) - f.value(x - h)) / (2 * h);
      const Complex y = f.complex_step({x, 1e-50});
      EXPECT_DOUBLE_EQ(y.real(), f.value(x)) << f.name << "(" << x << ")";
      EXPECT_NEAR(y.imag() / 1e-50, central, 3e-8 * (1 + std::abs(central))) << f.name << "'(" << x << ")";
    }
}

TEST(ReferenceMath, ArithmeticCarriesTheSlope) {
  const Complex x(0.7, 1e-50);
  const Complex y = (x * x + 2.0) / (3.0 - x);  // y' = (2x (3 - x) + x^2 + 2) / (3 - x)^2
  EXPECT_NEAR(y.imag() / 1e-50, (1.4 * 2.3 + 2.49) / (2.3 * 2.3), 1e-14);
}

TEST(ReferenceMath, BranchesLookAtRealParts) {
  const Complex a(1, 3e-50), b(1, 5e-50), c(-2, 7e-50);
  EXPECT_EQ(max(a, b).imag(), 3e-50);
  EXPECT_EQ(max(c, a).imag(), 3e-50);
  EXPECT_EQ(abs(c).imag(), -7e-50);
  EXPECT_EQ(max(2.0, 3.0), 3.0);
}

TEST(ReferenceMath, FarOut) {
  EXPECT_EQ(sigmoid(-800.0), 0);
  EXPECT_EQ(sigmoid(800.0), 1);
  EXPECT_EQ(softplus(800.0), 800);
  EXPECT_EQ(softplus(-800.0), 0);
  EXPECT_NEAR(softplus(-30.0), std::exp(-30.0), 1e-25);
}

}  // namespace
}  // namespace kernels::ref
