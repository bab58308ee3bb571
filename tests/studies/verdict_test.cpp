// Known answers, on drawn numbers: what is null is seldom called different, what is planted is found as often as computed.
#include "framework/studies/verdict.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/core/random.h"
#include "framework/studies/distributions.h"

namespace adder::studies {
namespace {

ClaimConfig claim(const std::string& relation, double bound, const std::string& compare = "difference", const std::string& measure = "m.x") {
  ClaimConfig c;
  c.id = c.statement = "a claim", c.measure = measure, c.arms = {"a", "b"}, c.relation = relation, c.bound = bound, c.compare = compare;
  return c;
}

// Values by seed; b has the keys of a.
Samples pairs(const std::vector<double>& a, const std::vector<double>& b, const std::string& measure = "m.x") {
  Samples s;
  for (size_t i = 0; i < a.size(); ++i) {
    s[measure]["a"].keys.push_back(int64_t(i)), s[measure]["a"].values.push_back(a[i]);
    s[measure]["b"].keys.push_back(int64_t(i)), s[measure]["b"].values.push_back(b[i]);
  }
  return s;
}

std::vector<double> normals(int64_t n, uint64_t seed, const char* purpose, double shift = 0) {
  const Random random(seed, purpose);
  std::vector<double> x;
  for (int64_t i = 0; i < n; ++i) x.push_back(shift + random.normal(uint64_t(i)));
  return x;
}

// How many of 200 comparisons with such an effect are decided against "a - b at most 0", and for it.
std::pair<int, int> decided(double effect, int64_t seeds) {
  int against = 0, in_favour = 0;
  for (uint64_t i = 0; i < 200; ++i) {
    std::vector<double> common = normals(seeds, i, "data order"), a = normals(seeds, i, "a", effect), b(common);
    for (size_t k = 0; k < a.size(); ++k) a[k] += common[k];  // what a seed does to both cancels in the pair
    const Verdict v = decide({claim("at_most", 0)}, {{}}, pairs(a, b), 0.05)[0];
    against += v.answer == Answer::refuted, in_favour += v.answer == Answer::supported;
  }
  return {against, in_favour};
}

TEST(Verdict, OfTwoHundredNullComparisonsFewAreCalledDifferent) {
  const auto [against, in_favour] = decided(0, 8);
  EXPECT_GE(against + in_favour, 4);
  EXPECT_LE(against + in_favour, 17);
}

TEST(Verdict, PlantedEffectsAreFoundAtTheComputedPower) {
  for (const double effect : {0.8, 1.3}) {
    const double power = statistics::t_test_power(effect, 8), error = std::sqrt(power * (1 - power) / 200);
    const auto [against, in_favour] = decided(effect, 8);
    EXPECT_NEAR(double(against) / 200, power, 4 * error) << effect;
    EXPECT_LE(in_favour, 1);
  }
}

TEST(Verdict, TheWholeIntervalDecides) {
  const std::vector<double> b(8, 0.0), small = {0.010, 0.012, 0.009, 0.011, 0.010, 0.008, 0.012, 0.011};
  EXPECT_EQ(decide({claim("at_most", 0.02)}, {{}}, pairs(small, b), 0.05)[0].answer, Answer::supported);
  EXPECT_EQ(decide({claim("at_least", 0.02)}, {{}}, pairs(small, b), 0.05)[0].answer, Answer::refuted);
  ClaimConfig same = claim("equivalent", 0);
  same.margin = 0.02;
  EXPECT_EQ(decide({same}, {{}}, pairs(small, b), 0.05)[0].answer, Answer::supported);
  same.margin = 0.005;
  EXPECT_EQ(decide({same}, {{}}, pairs(small, b), 0.05)[0].answer, Answer::refuted);
  const std::vector<double> wide = {0.3, -0.2, 0.1, -0.3, 0.25, -0.1, 0.2, 0.0};
  const Verdict v = decide({claim("at_most", 0.02)}, {{}}, pairs(wide, b), 0.05)[0];
  EXPECT_EQ(v.answer, Answer::undecided);
  EXPECT_LT(v.low, 0.02);
  EXPECT_GT(v.high, 0.02);
  EXPECT_EQ(v.needed, statistics::seeds_to_decide(wide, 0.02));
}

TEST(Verdict, TooFewSeedsDecideNothing) {
  const std::vector<double> a(5, 1.0), b(5, 0.0);
  const Verdict five = decide({claim("at_least", 0.5)}, {{}}, pairs(a, b), 0.05)[0];
  EXPECT_EQ(five.answer, Answer::undecided) << "2^(1-5) = 0.0625 is above 0.05";
  EXPECT_EQ(five.needed, 6);
  const std::vector<double> c(6, 1.0), d(6, 0.0);
  EXPECT_EQ(decide({claim("at_least", 0.5)}, {{}}, pairs(c, d), 0.05)[0].answer, Answer::supported);
  // Two claims share the level: 2^(1-6) is above 0.05 / 2, but the second of Holm's steps has all of it.
  const auto both = decide({claim("at_least", 0.5), claim("at_least", 0.4)}, {{}, {}}, pairs(c, d), 0.05);
  EXPECT_EQ(both[0].answer, Answer::undecided);
  EXPECT_EQ(both[1].answer, Answer::undecided) << "Holm stops at the first that is undecided";
}

TEST(Verdict, SharesAreNoNormalNumbers) {
  const Reading reading{.yes_or_no = true};
  const std::vector<double> all(8, 1.0), none(8, 0.0);
  const Verdict v = decide({claim("at_least", 0.3)}, {reading}, pairs(all, none), 0.05)[0];
  EXPECT_EQ(v.answer, Answer::supported);
  EXPECT_LT(v.low, 1.0) << "eight of eight against none of eight is not certain";
  EXPECT_EQ(decide({claim("at_least", 0.9)}, {reading}, pairs(all, none), 0.05)[0].answer, Answer::undecided);
}

TEST(Verdict, RatiosOfTimesAndExactNumbers) {
  const std::vector<double> slow = {5.1, 5.3, 5.0, 5.2, 5.6, 5.1, 5.2}, fast = {1.0, 1.1, 0.9, 1.0, 1.2, 1.0, 1.1};
  const Verdict ratio = decide({claim("at_least", 3, "ratio")}, {{.timed = true}}, pairs(slow, fast), 0.05)[0];
  EXPECT_EQ(ratio.answer, Answer::supported);
  EXPECT_NEAR(ratio.effect, 5.2, 1e-12);
  const Verdict exact = decide({claim("at_most", 0)}, {{.exact = true}}, pairs({0}, {0}), 0.05)[0];
  EXPECT_EQ(exact.answer, Answer::supported) << "one value decides where no seed changes it";
}

// ---- runs that never got there ---------------------------------------------------------------------------

const Reading kWaiting{.waiting = true};

// The last `never` of a's values are only what those runs had when they ended.
Samples cut_off(const std::vector<double>& a, const std::vector<double>& b, size_t never) {
  Samples s = pairs(a, b);
  Sample& first = s["m.x"]["a"];
  for (size_t i = 0; i < never; ++i) {
    first.waiting_keys.push_back(first.keys.back()), first.at_least.push_back(first.values.back());
    first.keys.pop_back(), first.values.pop_back();
  }
  return s;
}

TEST(Verdict, MediansOfTheWayToAnEvent) {
  const std::vector<double> slow = {500, 520, 480, 510, 600, 550, 505, 530}, fast = {100, 110, 90, 105, 120, 100, 95, 115};
  const Verdict ratio = decide({claim("at_least", 3, "ratio")}, {kWaiting}, pairs(slow, fast), 0.05)[0];
  EXPECT_EQ(ratio.answer, Answer::supported);
  EXPECT_NEAR(ratio.effect, 515 / 102.5, 1e-12);
  const Verdict difference = decide({claim("at_least", 300)}, {kWaiting}, pairs(slow, fast), 0.05)[0];
  EXPECT_EQ(difference.answer, Answer::supported);
  EXPECT_EQ(difference.low, 390) << "of eight the least and the largest: 2 / 2^8 lie outside";
  EXPECT_EQ(difference.high, 480);
}

// Two of eight never got there. That a is at least twice as slow no later arrival changes; that it is at most six times
// as slow any may.
TEST(Verdict, WhatNeverCameMayComeAtAnyTime) {
  const std::vector<double> slow = {500, 520, 480, 510, 600, 550, 1000, 1000}, fast = {100, 110, 90, 105, 120, 100, 95, 115};
  const Samples s = cut_off(slow, fast, 2);
  const Verdict least = decide({claim("at_least", 2, "ratio")}, {kWaiting}, s, 0.05)[0];
  EXPECT_EQ(least.answer, Answer::supported);
  EXPECT_EQ(least.never, 2);
  EXPECT_EQ(least.n, 8);
  EXPECT_EQ(least.each.size(), 6u);
  const Verdict most = decide({claim("at_most", 6, "ratio")}, {kWaiting}, s, 0.05)[0];
  EXPECT_EQ(most.answer, Answer::undecided);
  EXPECT_EQ(most.high, INFINITY);
  EXPECT_NE(most.why.find("2 runs that never got there"), std::string::npos);
  EXPECT_EQ(most.needed, 0);
  const Verdict difference = decide({claim("at_least", 300)}, {kWaiting}, s, 0.05)[0];
  EXPECT_EQ(difference.answer, Answer::supported);
  EXPECT_EQ(difference.high, INFINITY);
}

// Whether both arms got there late or never: nothing is known of either.
TEST(Verdict, NobodyGotThere) {
  Samples s;
  for (const char* arm : {"a", "b"}) s["m.x"][arm].waiting_keys = {1, 2, 3, 4, 5, 6, 7, 8}, s["m.x"][arm].at_least.assign(8, 1000);
  for (const char* compare : {"ratio", "difference"}) {
    const Verdict v = decide({claim("at_most", 1, compare)}, {kWaiting}, s, 0.05)[0];
    EXPECT_EQ(v.answer, Answer::undecided) << compare;
    EXPECT_TRUE(std::isnan(v.effect)) << compare;
    EXPECT_EQ(v.n, 8);
  }
  ClaimConfig one = claim("at_least", 900);
  one.arms = {"a"};
  EXPECT_EQ(decide({one}, {kWaiting}, s, 0.05)[0].answer, Answer::supported) << "more than 1000 it was, whatever it was";
  one.bound = 1100;
  EXPECT_EQ(decide({one}, {kWaiting}, s, 0.05)[0].answer, Answer::undecided);
}

// Null comparisons of cut-off waiting times: the share that is called different stays below the level.
TEST(Verdict, CensoredNullsAreSeldomCalledDifferent) {
  int called = 0;
  for (uint64_t k = 0; k < 200; ++k) {
    Samples s;
    for (const char* arm : {"a", "b"})
      for (int64_t seed = 0; seed < 8; ++seed) {
        Sample& sample = s["m.x"][arm];
        const double steps = 500 * std::exp(0.3 * normals(8, k, arm)[size_t(seed)]);
        if (steps < 700) sample.keys.push_back(seed), sample.values.push_back(steps);
        else sample.waiting_keys.push_back(seed), sample.at_least.push_back(700);
      }
    called += decide({claim("at_most", 0)}, {kWaiting}, s, 0.05)[0].answer != Answer::undecided;
  }
  EXPECT_LE(called, 17);
}

TEST(Verdict, MissingDataDecideNothing) {
  const std::vector<double> a(8, 1.0), b(8, 0.0);
  Samples s = pairs(a, b);
  s["m.x"]["b"].failed = 1;
  const Verdict v = decide({claim("at_least", 0.5)}, {{}}, s, 0.05)[0];
  EXPECT_EQ(v.answer, Answer::undecided);
  EXPECT_NE(v.why.find("1 runs have no value"), std::string::npos);
  EXPECT_EQ(decide({claim("at_least", 0.5)}, {{}}, {}, 0.05)[0].answer, Answer::undecided);
}

}  // namespace
}  // namespace adder::studies
