// Each figure here is scipy 1.16's or statsmodels 0.14's, or follows by hand.
#include "framework/studies/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/core/random.h"
#include "framework/studies/distributions.h"
#include "tests/support/check.h"

namespace adder::statistics {
namespace {

const std::vector<double> kDifferences = {0.031, -0.012, 0.055, 0.021, 0.043, 0.009, 0.027};

TEST(Distributions, AgreeWithScipy) {
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-12);
  EXPECT_NEAR(normal_quantile(1e-6), -4.753424308822899, 1e-10);
  EXPECT_NEAR(t_quantile(0.975, 4), 2.7764451051977934, 1e-10);
  EXPECT_NEAR(t_quantile(0.9, 1), 3.0776835371752544, 1e-10);
  EXPECT_NEAR(t_quantile(0.6, 30), 0.2556053649519128, 1e-11);
  EXPECT_NEAR(t_quantile(0.999, 2.5), 13.82219311086596, 1e-8);
  EXPECT_NEAR(incomplete_beta(2.5, 0.5, 0.3), 0.018927124071945658, 1e-14);
  EXPECT_NEAR(incomplete_beta(40, 3, 0.9), 0.19510765482693676, 1e-13);
  EXPECT_NEAR(noncentral_t_cdf(2.0, 5, 1.5), 0.6314492472556718, 1e-7);
  EXPECT_NEAR(noncentral_t_cdf(-1, 3, 0.7), 0.0647268816685338, 1e-7);
  EXPECT_NEAR(noncentral_t_cdf(3.2, 20, 2.5), 0.7218328314380624, 1e-7);
}

TEST(Statistics, TIntervalAndTests) {
  const auto [low, high] = t_interval(kDifferences);
  EXPECT_NEAR(low, 0.004507533869749253, 1e-14);
  EXPECT_NEAR(high, 0.045206751844536465, 1e-14);
  EXPECT_NEAR(t_test(kDifferences), 0.024354354279021027, 1e-12);
  EXPECT_NEAR(t_test(kDifferences, 0.01), 0.12425739967069692, 1e-12);
  EXPECT_NEAR(non_inferiority_test(kDifferences, 0.05), 0.011649412334669549, 1e-12);
  EXPECT_EQ(t_interval({1.0}).high, INFINITY);
  EXPECT_EQ(t_test({1.0}), 1);
}

TEST(Statistics, SignFlipIsExact) {
  EXPECT_EQ(sign_flip_test(kDifferences), 0.046875);  // scipy.stats.permutation_test
  EXPECT_EQ(sign_flip_test({1, 2, 3, 4, 5}), 2.0 / 32);
  EXPECT_EQ(sign_flip_test({1, -1}), 1);
  EXPECT_EQ(sign_flip_test({0, 0, 0}), 1);
  // Beyond 20 values signs are drawn: near the t test, and never 0.
  std::vector<double> many;
  const Random random(1, "test");
  for (uint64_t i = 0; i < 40; ++i) many.push_back(0.35 + random.normal(i));
  EXPECT_NEAR(sign_flip_test(many), t_test(many), 0.01);
  for (double& x : many) x = 1;
  EXPECT_GT(sign_flip_test(many), 0);
}

// Five values of one sign cannot reach 0.05, six can; of three tests, eight.
TEST(Statistics, SeedsThatASignFlipNeeds) {
  EXPECT_EQ(seeds_for_sign_flip(0.05, 1), 6);
  EXPECT_EQ(seeds_for_sign_flip(0.05, 3), 7);
  EXPECT_EQ(seeds_for_sign_flip(0.05, 4), 8);
}

TEST(Statistics, EquivalenceIsTheWorseOfTwoOneSidedTests) {
  std::vector<double> mirrored = kDifferences;
  for (double& d : mirrored) d = -d;
  EXPECT_EQ(equivalence_test(kDifferences, 0.05), non_inferiority_test(kDifferences, 0.05));
  EXPECT_EQ(equivalence_test(mirrored, 0.05), equivalence_test(kDifferences, 0.05));
  EXPECT_GT(equivalence_test(kDifferences, 0.01), 0.5);
  EXPECT_NE(message_of([] { equivalence_test({1, 2}, 0); }), "no error");
}

TEST(Statistics, Holm) {
  const std::vector<double> adjusted = holm({0.01, 0.04, 0.03, 0.005, 0.2}), want = {0.04, 0.09, 0.09, 0.025, 0.2};
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(adjusted[i], want[i], 1e-15);
  EXPECT_TRUE(holm({}).empty());
}

TEST(Statistics, Wilson) {
  EXPECT_EQ(wilson(0, 5).low, 0);
  EXPECT_NEAR(wilson(0, 5).high, 0.43448246478317487, 1e-12);
  EXPECT_NEAR(wilson(3, 5).low, 0.2307242812760129, 1e-12);
  EXPECT_NEAR(wilson(3, 5).high, 0.8823792257673522, 1e-12);
  EXPECT_NEAR(wilson(5, 5).low, 0.5655175352168252, 1e-12);
  EXPECT_EQ(wilson(5, 5).high, 1);
  EXPECT_NEAR(wilson(27, 40).low, 0.5201774618987767, 1e-12);
  EXPECT_NE(message_of([] { wilson(6, 5); }), "no error");
}

// 2 (1 + 9) / 2^9 = 0.039 lie outside the second and the eighth of nine, 2 (1 + 9 + 36) / 2^9 outside the third.
TEST(Statistics, MedianInterval) {
  const std::vector<double> nine = {9, 1, 8, 2, 7, 3, 6, 4, 5};
  EXPECT_EQ(median_interval(nine).low, 2);
  EXPECT_EQ(median_interval(nine).high, 8);
  EXPECT_EQ(median_interval(nine, 0.8).low, 3);
  EXPECT_EQ(median_interval({1, 2, 3, 4, 5, 6}).high, 6);
  EXPECT_EQ(median_interval({1, 2, 3, 4, 5}).low, -INFINITY) << "five values are none at 0.95";
  EXPECT_EQ(median_interval({1, 2, 3, INFINITY, INFINITY, INFINITY}).low, 1);
  EXPECT_EQ(median_interval({1, 2, 3, INFINITY, INFINITY, INFINITY}).high, INFINITY);
  EXPECT_EQ(median({1, INFINITY, INFINITY}), INFINITY);
  EXPECT_EQ(median({1, 2, INFINITY, INFINITY}), INFINITY);
}

TEST(Statistics, DetectableEffectIsThePowerReadBackwards) {
  for (const int64_t n : {3, 6, 20}) EXPECT_NEAR(t_test_power(detectable_effect(n), n), 0.8, 1e-4) << n;
  EXPECT_EQ(detectable_effect(1), INFINITY);
}

TEST(Statistics, Power) {
  EXPECT_NEAR(t_test_power(1.0, 5), 0.4013899173717948, 1e-6);
  EXPECT_NEAR(t_test_power(0.68, 20), 0.82235273944087, 1e-6);
  EXPECT_NEAR(t_test_power(3.26, 3), 0.7992268859670768, 1e-5);
  EXPECT_NEAR(t_test_power(0, 6), 0.05, 1e-6);
}

TEST(Statistics, OrderStatistics) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
  EXPECT_EQ(quantile({0, 10}, 0.25), 2.5);
  EXPECT_NE(message_of([] { median({}); }), "no error");
}

// Of 200 drawn null comparisons at the 5 % level, 4 to 17 are called different (99.9 % of the binomial).
TEST(Statistics, NullsAreRejectedAtTheirLevel) {
  const Random random(7, "nulls");
  int by_t = 0, covered = 0;
  for (uint64_t k = 0; k < 200; ++k) {
    std::vector<double> d;
    for (uint64_t i = 0; i < 8; ++i) d.push_back(random.normal(8 * k + i));
    by_t += t_test(d) < 0.05;
    const auto [low, high] = t_interval(d);
    covered += low <= 0 && 0 <= high;
  }
  EXPECT_GE(by_t, 4);
  EXPECT_LE(by_t, 17);
  EXPECT_EQ(covered, 200 - by_t);
}

// Planted effects are found as often as the power says: within four standard errors of it.
TEST(Statistics, EffectsAreFoundAtTheComputedPower) {
  const Random random(8, "effects");
  for (const double effect : {0.5, 1.0, 2.0}) {
    const int64_t n = 6, trials = 400;
    int found = 0;
    for (int64_t k = 0; k < trials; ++k) {
      std::vector<double> d;
      for (int64_t i = 0; i < n; ++i) d.push_back(effect + random.normal(uint64_t((int64_t(effect * 2) * trials + k) * n + i)));
      found += t_test(d) < 0.05;
    }
    const double power = t_test_power(effect, n);
    EXPECT_NEAR(double(found) / double(trials), power, 4 * std::sqrt(power * (1 - power) / double(trials)) + 1e-3) << effect;
  }
}

// Neighbours that depend on one another: an interval from blocks covers, one from single values is too narrow.
TEST(Statistics, BlocksSeeTheDependence) {
  const Random random(9, "series");
  std::vector<double> x(20000);
  double state = 0;
  for (size_t i = 0; i < x.size(); ++i) x[i] = state = 0.95 * state + random.normal(i);
  const auto [low, high] = block_bootstrap(x, 400, 0.95, 2000);
  const auto single = block_bootstrap(x, 1, 0.95, 2000);
  const double truth = 2 * 1.96 * (1 / 0.05) / std::sqrt(double(x.size()));  // sd of the mean: 1 / (1 - 0.95) / sqrt(n)
  EXPECT_NEAR(high - low, truth, 0.25 * truth);
  EXPECT_LT(single.high - single.low, 0.4 * truth);
  EXPECT_EQ(block_bootstrap(x, 400, 0.95, 2000).low, low);
}

TEST(Statistics, RatioOfMedians) {
  std::vector<double> a, b;
  const Random random(10, "timings");
  for (uint64_t i = 0; i < 30; ++i) {
    const double machine = 1 + 0.3 * random.uniform(2 * i);  // what slows both
    a.push_back(3 * machine), b.push_back(machine * (1 + 0.01 * random.uniform(2 * i + 1)));
  }
  const auto [low, high] = ratio_bootstrap(a, b);
  EXPECT_GT(low, 2.9);
  EXPECT_LT(high, 3.1);
  EXPECT_NE(message_of([] { ratio_bootstrap({1, 2}, {1}); }), "no error");
}

TEST(Statistics, SeedsToDecide) {
  const int64_t n = seeds_to_decide(kDifferences, 0);
  EXPECT_GT(n, 2);
  EXPECT_LE(n, 7);  // seven did
  EXPECT_GT(seeds_to_decide(kDifferences, 0.02), 20);
  EXPECT_EQ(seeds_to_decide({1, -1}, 0), 0);
}

}  // namespace
}  // namespace adder::statistics
