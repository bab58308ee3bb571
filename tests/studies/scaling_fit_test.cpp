// Planted laws come back, with intervals that cover them.
#include "framework/studies/scaling_fit.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/core/random.h"
#include "tests/support/check.h"

namespace adder::statistics {
namespace {

// Losses of a law, each off by a factor exp(noise * normal).
std::vector<ScalingPoint> drawn(const ScalingConstants& law, const std::vector<double>& sizes, const std::vector<double>& tokens, int64_t seeds,
                                double noise, uint64_t seed) {
  const Random random(seed, "losses");
  std::vector<ScalingPoint> points;
  for (const double n : sizes)
    for (const double d : tokens)
      for (int64_t s = 0; s < seeds; ++s) points.push_back({n, d, law.at(n, d) * std::exp(noise * random.normal(points.size()))});
  return points;
}

const std::vector<double> kSizes = {1e4, 3e4, 1e5, 3e5, 1e6, 3e6}, kTokens = {1e6, 3e6, 1e7, 3e7};

TEST(ScalingFit, FindsPlantedConstants) {
  const ScalingConstants law{1.7, 40, 0.35, 900, 0.45};
  const ScalingFit both = fit_scaling_law(drawn(law, kSizes, kTokens, 1, 0, 1), ScalingLaw::both, 0.95, 0);
  EXPECT_NEAR(both.constants.floor, law.floor, 1e-3);
  EXPECT_NEAR(both.constants.alpha, law.alpha, 1e-3);
  EXPECT_NEAR(both.constants.beta, law.beta, 1e-3);
  EXPECT_NEAR(both.constants.a / law.a, 1, 1e-2);
  EXPECT_NEAR(both.constants.b / law.b, 1, 1e-2);
  for (const double r : both.residuals) EXPECT_NEAR(r, 0, 1e-5);
  EXPECT_EQ(both.floor.low, -INFINITY) << "no draws, no interval";

  const ScalingConstants of_size{2.2, 12, 0.2, 0, 0}, of_data{0.9, 0, 0, 300, 0.6};
  const ScalingFit n = fit_scaling_law(drawn(of_size, kSizes, {1e6}, 1, 0, 1), ScalingLaw::parameters, 0.95, 0);
  EXPECT_NEAR(n.constants.floor, of_size.floor, 1e-3);
  EXPECT_NEAR(n.constants.alpha, of_size.alpha, 1e-3);
  EXPECT_EQ(n.constants.beta, 0);
  const ScalingFit d = fit_scaling_law(drawn(of_data, {1e5}, kTokens, 1, 0, 1), ScalingLaw::tokens, 0.95, 0);
  EXPECT_NEAR(d.constants.floor, of_data.floor, 1e-3);
  EXPECT_NEAR(d.constants.beta, of_data.beta, 1e-3);
}

// One run that went wrong bends a least-squares fit; this one hardly.
TEST(ScalingFit, OneBadRunHardlyMatters) {
  const ScalingConstants law{1.5, 60, 0.4, 0, 0};
  std::vector<ScalingPoint> points = drawn(law, kSizes, {1e6}, 3, 1e-3, 2);
  const double before = fit_scaling_law(points, ScalingLaw::parameters, 0.95, 0).constants.floor;
  points[8].loss *= 1.5;
  EXPECT_NEAR(fit_scaling_law(points, ScalingLaw::parameters, 0.95, 0).constants.floor, before, 0.01);
}

// 95 % of the intervals cover the truth: at least 18 of 24 do in all but one of 300 such tests.
TEST(ScalingFit, IntervalsCover) {
  const ScalingConstants law{1.5, 60, 0.4, 0, 0};
  int floor = 0, alpha = 0;
  for (uint64_t k = 0; k < 24; ++k) {
    const ScalingFit fit = fit_scaling_law(drawn(law, kSizes, {1e6}, 4, 0.01, 10 + k), ScalingLaw::parameters, 0.95, 100);
    floor += fit.floor.low <= law.floor && law.floor <= fit.floor.high;
    alpha += fit.alpha.low <= law.alpha && law.alpha <= fit.alpha.high;
  }
  EXPECT_GE(floor, 18);
  EXPECT_GE(alpha, 18);
}

TEST(ScalingFit, TheSameBitsEachTime) {
  const auto points = drawn({1.5, 60, 0.4, 0, 0}, kSizes, {1e6}, 2, 0.01, 3);
  const ScalingFit a = fit_scaling_law(points, ScalingLaw::parameters, 0.95, 50), b = fit_scaling_law(points, ScalingLaw::parameters, 0.95, 50);
  EXPECT_EQ(a.floor.low, b.floor.low);
  EXPECT_EQ(a.constants.alpha, b.constants.alpha);
}

// One run a size tells nothing of how runs scatter.
TEST(ScalingFit, OneSeedHasNoInterval) {
  const ScalingFit fit = fit_scaling_law(drawn({1.5, 60, 0.4, 0, 0}, kSizes, {1e6}, 1, 0.01, 3), ScalingLaw::parameters, 0.95, 50);
  EXPECT_TRUE(std::isinf(fit.floor.low) && std::isinf(fit.floor.high)) << fit.floor.low << " to " << fit.floor.high;
}

TEST(ScalingFit, RefusesWhatCannotBeTold) {
  const ScalingConstants law{1.5, 60, 0.4, 100, 0.5};
  const auto refused = [&](const std::vector<double>& sizes, const std::vector<double>& tokens, ScalingLaw which) {
    return message_of([&] { fit_scaling_law(drawn(law, sizes, tokens, 5, 0, 1), which); });
  };
  EXPECT_NE(refused({1e4, 1e5, 1e6}, {1e6}, ScalingLaw::parameters).find("3 different sizes can't tell its 3 constants, expected at least 4"), std::string::npos);
  EXPECT_NE(refused(kSizes, {1e6}, ScalingLaw::both).find("1 different numbers of tokens can't tell an exponent"), std::string::npos);
  EXPECT_NE(refused(kSizes, {1e6}, ScalingLaw::tokens).find("1 different sizes"), std::string::npos);
  EXPECT_NE(message_of([&] { fit_scaling_law({{1e4, 1, -1}, {1e5, 1, 1}, {1e6, 1, 1}, {1e7, 1, 1}}, ScalingLaw::parameters); }), "no error");
}

}  // namespace
}  // namespace adder::statistics
