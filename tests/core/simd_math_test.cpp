// The vector functions of kernels/simd.h against the C library in a wider type: accuracy, range, NaN, every
// target.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "framework/core/random.h"
#include "kernels/kernel.h"
#include "tests/support/simd_probe.h"

namespace kernels {
namespace {

template <class T>
std::vector<T> run(ProbeKind kind, const std::vector<T>& x) {
  std::vector<T> y(x.size());
  KERNEL(probe, T)(Device::cpu, {kind, x.data(), y.data(), int64_t(x.size())});
  return y;
}
template <class T>
T run(ProbeKind kind, T x) { return run(kind, std::vector<T>{x})[0]; }

// Evenly over [low, high], and around 0 on a logarithmic scale.
template <class T>
std::vector<T> points(double low, double high) {
  const adder::Random random(1, "simd math");
  std::vector<T> x;
  for (uint64_t i = 0; i < 20000; ++i) x.push_back(T(low + (high - low) * random.uniform(i)));
  for (uint64_t i = 20000; i < 24000; ++i) {
    const double small = std::pow(10.0, -8 * random.uniform(i));
    if (small < high) x.push_back(T(small));
    if (-small > low) x.push_back(T(-small));
  }
  return x;
}

// The largest error in units in the last place of the true value.
template <class T, class F>
double worst_ulps(ProbeKind kind, const std::vector<T>& x, F truth) {
  const auto y = run(kind, x);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const long double want = truth((long double)(x[i]));
    if (!std::isfinite(y[i])) return std::numeric_limits<double>::infinity();
    if (std::abs(want) < 4 * std::numeric_limits<T>::min()) {  // here an intermediate may underflow to 0
      EXPECT_LE(std::abs(y[i]), 4 * std::numeric_limits<T>::min()) << "at " << x[i];
      continue;
    }
    const T near = T(want);
    const long double ulp = std::nextafter(std::abs(near), std::numeric_limits<T>::infinity()) - std::abs(near);
    worst = std::max(worst, double(std::abs((long double)(y[i]) - want) / ulp));
  }
  return worst;
}

long double sigmoid_of(long double x) { return 1 / (1 + std::exp(-x)); }
long double softplus_of(long double x) { return std::max(x, 0.0L) + std::log1p(std::exp(-std::abs(x))); }

// Each test on each target: the scalar one has no fused multiply-add, hence a little less accuracy.
class SimdMath : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { set_simd_target(GetParam()); }
  void TearDown() override { set_simd_target(before_); }
  double slack() const { return GetParam() == "scalar" ? 4 : 1; }

 private:
  std::string before_ = simd_target();
};
INSTANTIATE_TEST_SUITE_P(Targets, SimdMath, testing::ValuesIn(simd_targets()),
                         [](const auto& p) { return p.param; });

template <class T>
void check_accuracy(double low, double high, double slack) {
  const auto wide = points<T>(low, high), middle = points<T>(-30, 30), unit = points<T>(0, 1);
  const auto exp = [](long double x) { return std::exp(x); };
  EXPECT_LT(worst_ulps(ProbeKind::exp, wide, exp), 1.5 * slack);
  EXPECT_LT(worst_ulps(ProbeKind::exp, middle, exp), 1.5 * slack);
  EXPECT_LT(worst_ulps(ProbeKind::log1p_unit, unit, [](long double x) { return std::log1p(x); }), 3 * slack);
  EXPECT_LT(worst_ulps(ProbeKind::sigmoid, middle, sigmoid_of), 4 * slack);
  EXPECT_LT(worst_ulps(ProbeKind::sigmoid, wide, sigmoid_of), 4 * slack);
  EXPECT_LT(worst_ulps(ProbeKind::softplus, wide, softplus_of), 4 * slack);
  EXPECT_LT(worst_ulps(ProbeKind::softplus, middle, softplus_of), 4 * slack);
  EXPECT_LT(worst_ulps(ProbeKind::tanh, middle, [](long double x) { return std::tanh(x); }), 4 * slack);
  EXPECT_LT(worst_ulps(ProbeKind::tanh, points<T>(-1, 1), [](long double x) { return std::tanh(x); }),
            4 * slack);
}

TEST_P(SimdMath, FloatIsAccurate) {
  check_accuracy<float>(-88, 88.37, slack());
  const auto exp2 = [](long double x) { return std::exp2(x); };
  EXPECT_LT(worst_ulps(ProbeKind::exp2, points<float>(-126, 127.4), exp2), 2 * slack());
  EXPECT_LT(worst_ulps(ProbeKind::exp2, points<float>(-2, 2), exp2), 2 * slack());
}

TEST_P(SimdMath, DoubleIsAccurate) {
  check_accuracy<double>(-709, 709.43, slack());
  const auto exp2 = [](long double x) { return std::exp2(x); };
  EXPECT_LT(worst_ulps(ProbeKind::exp2, points<double>(-2, 2), exp2), 3 * slack());
  // by e^(x ln 2): the rounding of the product grows with |x|
  EXPECT_LT(worst_ulps(ProbeKind::exp2, points<double>(-1000, 1000), exp2), 1100);
}

template <class T>
void check_limits() {
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  for (const ProbeKind kind : {ProbeKind::exp, ProbeKind::exp2, ProbeKind::log1p_unit, ProbeKind::sigmoid,
                               ProbeKind::softplus, ProbeKind::tanh})
    EXPECT_TRUE(std::isnan(run(kind, nan))) << int(kind);
  EXPECT_EQ(run(ProbeKind::exp, T(0)), 1);
  EXPECT_EQ(run(ProbeKind::exp, inf), inf);
  EXPECT_EQ(run(ProbeKind::exp, -inf), 0);
  EXPECT_EQ(run(ProbeKind::exp, T(1e30)), inf);
  EXPECT_EQ(run(ProbeKind::exp, T(-1e30)), 0);
  EXPECT_EQ(run(ProbeKind::exp2, T(-1e30)), 0);
  EXPECT_EQ(run(ProbeKind::exp2, T(1e30)), inf);
  EXPECT_EQ(run(ProbeKind::exp2, T(10)), 1024);
  EXPECT_EQ(run(ProbeKind::log1p_unit, T(0)), 0);
  EXPECT_EQ(run(ProbeKind::sigmoid, T(0)), T(0.5));
  EXPECT_EQ(run(ProbeKind::sigmoid, inf), 1);
  EXPECT_EQ(run(ProbeKind::sigmoid, -inf), 0);
  EXPECT_EQ(run(ProbeKind::sigmoid, T(-800)), 0);
  EXPECT_EQ(run(ProbeKind::softplus, inf), inf);
  EXPECT_EQ(run(ProbeKind::softplus, -inf), 0);
  EXPECT_EQ(run(ProbeKind::softplus, T(1000)), 1000);
  EXPECT_EQ(run(ProbeKind::tanh, inf), 1);
  EXPECT_EQ(run(ProbeKind::tanh, -inf), -1);
  EXPECT_EQ(run(ProbeKind::tanh, T(-1e30)), -1);
  EXPECT_EQ(run(ProbeKind::tanh, T(0)), 0);
  EXPECT_TRUE(std::signbit(run(ProbeKind::tanh, T(-0.0))));
}

TEST_P(SimdMath, Limits) {
  check_limits<float>();
  check_limits<double>();
  EXPECT_EQ(run(ProbeKind::exp, -200.0f), 0);
  // between 2^127.5 and 2^128 lies infinity, never NaN
  for (float x = 88.38f; x < 90; x += 0.01f) EXPECT_EQ(run(ProbeKind::exp, x), INFINITY) << x;
  for (float x = 127.51f; x < 130; x += 0.01f) EXPECT_EQ(run(ProbeKind::exp2, x), INFINITY) << x;
  for (double x = 709.44; x < 711; x += 0.01) EXPECT_EQ(run(ProbeKind::exp, x), INFINITY) << x;
  for (float x = -90; x < -88; x += 0.01f) EXPECT_EQ(run(ProbeKind::sigmoid, x), 0) << x;
  EXPECT_EQ(run(ProbeKind::exp, -800.0), 0);
}

// Results below the smallest normal number are 0, never a subnormal, and nothing jumps on the way there.
template <class T>
void check_underflow(double start, double end) {
  std::vector<T> x;
  for (int i = 0; i <= 4000; ++i) x.push_back(T(start + (end - start) * i / 4000));
  const auto y = run(ProbeKind::exp, x);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_TRUE(y[i] == 0 || y[i] >= std::numeric_limits<T>::min()) << "exp(" << x[i] << ") = " << y[i];
    if (i > 0) {
      EXPECT_LE(y[i], y[i - 1]) << "at " << x[i];
    }
  }
  EXPECT_GT(y.front(), 0);
  EXPECT_EQ(y.back(), 0);
}

TEST_P(SimdMath, UnderflowsToZero) {
  check_underflow<float>(-87, -105);
  check_underflow<double>(-708, -750);
}

template <class T>
void check_lanes() {
  constexpr int kCount = 64 / int(sizeof(T));
  std::vector<T> x(kCount), y(kCount);
  for (int i = 0; i < kCount; ++i) x[size_t(i)] = T(1 + i);
  for (int n = 0; n <= kCount + 1; ++n) {
    KERNEL(probe, T)(Device::cpu, {ProbeKind::keep, x.data(), y.data(), n});
    for (int i = 0; i < kCount; ++i)
      EXPECT_EQ(y[size_t(i)], i < n ? x[size_t(i)] : T(0)) << n << ", lane " << i;
  }
  for (int at = 0; at < kCount; ++at) {
    std::vector<T> z(kCount, T(-3));
    z[size_t(at)] = T(5);
    T sum, maximum;
    KERNEL(probe_reduce, T)(Device::cpu, {z.data(), &sum, &maximum});
    EXPECT_EQ(maximum, 5);
    EXPECT_EQ(sum, 5 - 3 * (kCount - 1));
  }
}

TEST_P(SimdMath, KeepsLanesAndReduces) {
  check_lanes<float>();
  check_lanes<double>();
}

// Tails: n elements, the same bits as in a longer array, and nothing written behind them.
TEST_P(SimdMath, TailsTouchNothingElse) {
  const auto x = points<float>(-20, 20);
  const auto all = run(ProbeKind::sigmoid, x);
  for (int64_t n : {1, 7, 8, 15, 16, 17, 31}) {
    std::vector<float> part(x.begin(), x.begin() + n), y(size_t(n) + 1, 42.0f);
    KERNEL(probe, float)(Device::cpu, {ProbeKind::sigmoid, part.data(), y.data(), n});
    EXPECT_EQ(std::memcmp(y.data(), all.data(), size_t(n) * sizeof(float)), 0) << n;
    EXPECT_EQ(y[size_t(n)], 42.0f) << n;
  }
}

template <class T>
void same_bits_on_two_targets(const std::string& a, const std::string& b) {
  const auto x = points<T>(-90, 90);
  for (const ProbeKind kind :
       {ProbeKind::exp, ProbeKind::exp2, ProbeKind::sigmoid, ProbeKind::softplus, ProbeKind::tanh}) {
    set_simd_target(a);
    const auto first = run(kind, x);
    set_simd_target(b);
    const auto second = run(kind, x);
    EXPECT_EQ(std::memcmp(first.data(), second.data(), first.size() * sizeof(T)), 0) << int(kind);
  }
  set_simd_target("");
}

TEST(SimdTargets, Avx2AndAvx512HaveTheSameBits) {
  const auto names = simd_targets();
  if (std::count(names.begin(), names.end(), "avx512") == 0) GTEST_SKIP() << "this processor has no AVX-512";
  same_bits_on_two_targets<float>("avx512", "avx2");
  same_bits_on_two_targets<double>("avx512", "avx2");
}

TEST(SimdTargets, RefusesAnUnknownOne) {
  try {
    set_simd_target("avx9000");
    FAIL() << "no error";
  } catch (const std::invalid_argument& e) {
    EXPECT_NE(std::string(e.what()).find("[simd] target \"avx9000\" is not available here"),
              std::string::npos)
        << e.what();
  }
}

}  // namespace
}  // namespace kernels
