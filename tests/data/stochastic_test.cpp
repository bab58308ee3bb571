#include "framework/data/stochastic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace adder {
namespace {

std::vector<double> chain_of(int64_t n, double concentration, uint64_t seed) {
  std::vector<double> all;
  for (int64_t i = 0; i < n; ++i) {
    const auto row = dirichlet_row(n, concentration, Random(seed, "test", uint64_t(i)));
    all.insert(all.end(), row.begin(), row.end());
  }
  return all;
}

std::vector<double> step(const std::vector<double>& p, const std::vector<double>& transitions) {
  const size_t n = p.size();
  std::vector<double> next(n, 0.0);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j) next[j] += p[i] * transitions[i * n + j];
  return next;
}

TEST(Stochastic, TwoStatesHaveAClosedForm) {
  const double a = 0.3, b = 1e-7;  // leaving the first state, and the second
  const auto p = stationary({1 - a, a, b, 1 - b}, 2);
  EXPECT_NEAR(p[0], b / (a + b), 1e-15 * b);  // to relative precision
  EXPECT_NEAR(p[1], a / (a + b), 1e-15);
}

// A walk on a ring that is pushed to the right between a slow gate: every entry is known.
TEST(Stochastic, SlowlyMixingChainsKeepTheirDigits) {
  constexpr int64_t n = 6;
  const double gate = 1e-12;
  std::vector<double> p(n * n, 0.0);
  for (int64_t i = 0; i < n; ++i) {
    const double leave = i == 2 ? gate : 0.5;
    p[size_t(i * n + (i + 1) % n)] = leave, p[size_t(i * n + i)] = 1 - leave;
  }
  const auto found = stationary(p, n);
  const double total = 5 / 0.5 + 1 / gate;  // pi is in proportion to the time that a state takes to leave
  for (int64_t i = 0; i < n; ++i) {
    const double want = (i == 2 ? 1 / gate : 2) / total;
    EXPECT_NEAR(found[size_t(i)], want, 1e-14 * want) << i;
  }
}

TEST(Stochastic, OneStepChangesNothingAndBothWaysAgree) {
  for (const double concentration : {0.1, 0.3, 3.0}) {
    const auto transitions = chain_of(40, concentration, 5);
    const auto p = stationary(transitions, 40);
    EXPECT_NEAR(std::accumulate(p.begin(), p.end(), 0.0), 1, 1e-14);
    const auto again = step(p, transitions);
    const auto by_steps = stationary_by_steps(40, [&](const auto& q) { return step(q, transitions); });
    ASSERT_EQ(by_steps.size(), p.size());
    for (size_t i = 0; i < p.size(); ++i) {
      EXPECT_NEAR(again[i], p[i], 1e-15);
      EXPECT_NEAR(by_steps[i], p[i], 1e-14);
    }
  }
}

TEST(Stochastic, StepsThatNeverArriveAreReported) {
  const auto swap = [](const std::vector<double>& p) { return std::vector<double>{p[1], p[2], p[0]}; };
  EXPECT_EQ(stationary_by_steps(3, swap).size(), 3u);  // starts where it stays
  const double stay = 1 - 1e-9;
  const auto slow = [&](const std::vector<double>& p) {
    return std::vector<double>{p[0] * stay + p[1] * 3e-9, p[0] * (1 - stay) + p[1] * (1 - 3e-9)};
  };
  EXPECT_TRUE(stationary_by_steps(2, slow).empty());
}

TEST(Stochastic, DirichletRowsHaveTheirMoments) {
  constexpr int64_t kEntries = 5, kRows = 4000;
  for (const double concentration : {0.1, 0.5, 1.0, 4.0}) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < kRows; ++i) {
      const auto row = dirichlet_row(kEntries, concentration, Random(11, "moments", uint64_t(i)));
      EXPECT_NEAR(std::accumulate(row.begin(), row.end(), 0.0), 1, 1e-14);
      for (const double p : row) ASSERT_GT(p, 0);
      sum += row[2], squares += row[2] * row[2];
    }
    const double mean = 1.0 / kEntries, all = kEntries * concentration;
    const double variance = mean * (1 - mean) / (all + 1), error = std::sqrt(variance / kRows);
    EXPECT_NEAR(sum / kRows, mean, 5 * error) << concentration;
    EXPECT_NEAR(squares / kRows - sum / kRows * sum / kRows, variance, 0.12 * variance) << concentration;
  }
  EXPECT_EQ(dirichlet_row(9, 0.3, Random(1, "a")), dirichlet_row(9, 0.3, Random(1, "a")));
  EXPECT_NE(dirichlet_row(9, 0.3, Random(1, "a")), dirichlet_row(9, 0.3, Random(2, "a")));
}

TEST(Stochastic, ChooseFollowsTheSums) {
  const std::vector<double> row = {0.25, 0.5, 0.25}, sums = cumulative(row);
  EXPECT_EQ(choose(sums, 0), 0);
  EXPECT_EQ(choose(sums, 0.249), 0);
  EXPECT_EQ(choose(sums, 0.25), 1);
  EXPECT_EQ(choose(sums, 0.7499), 1);
  EXPECT_EQ(choose(sums, 0.75), 2);
  EXPECT_EQ(choose(std::vector<double>{0.5, 1 - 1e-16 * 2}, 1 - 0x1p-53), 1);  // sums that rounding left below 1
  EXPECT_DOUBLE_EQ(entropy(row), 1.5 * std::log(2.0));
  EXPECT_EQ(entropy(std::vector<double>{0, 1}), 0);
}

}  // namespace
}  // namespace adder
