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
