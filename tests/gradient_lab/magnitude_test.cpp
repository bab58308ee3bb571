#include "framework/gradient_lab/magnitude.h"

#include <gtest/gtest.h>

#include <cmath>

namespace adder::lab {
namespace {

TEST(Magnitude, NormsBeyondTheRangeOfAFloat) {
  const float tiny[] = {3e-38f, 4e-38f};
  EXPECT_NEAR(log10_norm(tiny, 2), std::log10(5e-38), 1e-6);
  const double huge[] = {3e300, 4e300};
  EXPECT_NEAR(log10_norm(huge, 2, 1000), std::log10(5.0) + 300 + 1000 * std::log10(2.0), 1e-12);
  const double none[] = {0, 0}, broken[] = {1, NAN}, endless[] = {-INFINITY, 1};
  EXPECT_EQ(log10_norm(none, 2), -INFINITY);
  EXPECT_EQ(log10_norm(none, 0), -INFINITY);
  EXPECT_TRUE(std::isnan(log10_norm(broken, 2)));
  EXPECT_EQ(log10_norm(endless, 2), INFINITY);
}

TEST(Magnitude, MeansOfLogarithms) {
  EXPECT_NEAR(log10_mean({-400, -400 + std::log10(3.0)}), -400 + std::log10(2.0), 1e-12);
  EXPECT_NEAR(log10_mean({-INFINITY, 0}), std::log10(0.5), 1e-12);
  EXPECT_EQ(log10_mean({-INFINITY, -INFINITY}), -INFINITY);
  EXPECT_EQ(log10_mean({}), -INFINITY);
}

TEST(Magnitude, AsPeopleReadThem) {
  EXPECT_EQ(shown_power(1000 * std::log10(0.5)), "9.3e-302");
  EXPECT_EQ(shown_power(-INFINITY), "0");
  EXPECT_EQ(shown_power(0), "1");
  EXPECT_EQ(shown_power(-2), "0.01");
  EXPECT_EQ(shown_power(std::log10(9.99e-7)), "1.0e-06");
  EXPECT_EQ(shown_power(2000.5), "3.2e+2000");
  EXPECT_EQ(shown_power(NAN), "nan");
}

}  // namespace
}  // namespace adder::lab
