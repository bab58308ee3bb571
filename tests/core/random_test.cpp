#include "framework/core/random.h"

#include <gtest/gtest.h>

#include <Random123/philox.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

namespace adder {
namespace {

// Known answers of Philox4x32-10, as Random123 publishes them (kat_vectors): counter, key, result.
TEST(Random, PhiloxGivesTheKnownAnswers) {
  struct Known {
    uint32_t counter[4], key[2], result[4];
  };
  const Known all[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
  for (const Known& k : all) {
    const r123::Philox4x32::ctr_type counter{{k.counter[0], k.counter[1], k.counter[2], k.counter[3]}};
    const r123::Philox4x32::key_type key{{k.key[0], k.key[1]}};
    const auto r = r123::Philox4x32{}(counter, key);
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ(r[i], k.result[i]);
  }
}

// A run's numbers hang on these: a change here is a change of every seed's meaning.
TEST(Random, StreamsNeverChange) {
  const Random r(1234, "init", 3, 7);
  EXPECT_EQ(r.bits(0), 0x164a6e17u);
  EXPECT_EQ(r.bits64(1ull << 40), 0xf29ded4ac9f78db4u);
}

TEST(Random, ANumberDependsOnNothingButItsPlace) {
  const Random a(5, "dropout", 1, 2), b(5, "dropout", 1, 2);
  std::vector<uint32_t> forward, backward(100);
  for (uint64_t i = 0; i < 100; ++i) forward.push_back(a.bits(i));
  for (uint64_t i = 100; i-- > 0;) backward[size_t(i)] = b.bits(i);
  EXPECT_EQ(forward, backward);
}

TEST(Random, SeedPurposeAndNumbersMakeStreams) {
  std::set<uint64_t> seen;
  const uint64_t big = uint64_t{1} << 33;
  for (uint64_t seed : {uint64_t{0}, uint64_t{1}, big})
    for (const char* purpose : {"", "init", "order"})
      for (uint64_t a : {uint64_t{0}, uint64_t{1}, big})
        for (uint64_t b : {uint64_t{0}, uint64_t{1}, big})
          for (uint64_t index : {uint64_t{0}, uint64_t{1}, big})
            seen.insert(Random(seed, purpose, a, b).bits64(index));
  EXPECT_EQ(seen.size(), 243u);
}

TEST(Random, UniformFillsItsInterval) {
  const Random r(9, "test");
  const int n = 100000;
  double sum = 0, squares = 0, low = 1, high = 0;
  int bins[10] = {};
  for (int i = 0; i < n; ++i) {
    const double u = r.uniform(uint64_t(i));
    ASSERT_TRUE(u >= 0 && u < 1);
    sum += u, squares += u * u, low = std::min(low, u), high = std::max(high, u);
    ++bins[int(u * 10)];
  }
  EXPECT_NEAR(sum / n, 0.5, 0.004);  // more than four standard deviations
  EXPECT_NEAR(squares / n, 1.0 / 3, 0.004);
  EXPECT_LT(low, 1e-3);
  EXPECT_GT(high, 1 - 1e-3);
  double chi = 0;
  for (int b : bins) chi += (b - n / 10.0) * (b - n / 10.0) / (n / 10.0);
  EXPECT_LT(chi, 35);  // 9 degrees of freedom: p = 6e-5
}

TEST(Random, NormalHasItsMoments) {
  const Random r(9, "test", 1);
  const int n = 100000;
  double sum = 0, squares = 0, fourth = 0;
  for (int i = 0; i < n; ++i) {
    const double x = r.normal(uint64_t(i));
    ASSERT_TRUE(std::isfinite(x));
    sum += x, squares += x * x, fourth += x * x * x * x;
  }
  EXPECT_NEAR(sum / n, 0, 0.015);
  EXPECT_NEAR(squares / n, 1, 0.02);
  EXPECT_NEAR(fourth / n, 3, 0.15);
}

TEST(Random, BelowStaysBelowAndReachesAll) {
  const Random r(9, "test", 2);
  int counts[7] = {};
  for (uint64_t i = 0; i < 7000; ++i) {
    const uint64_t x = r.below(i, 7);
    ASSERT_LT(x, 7u);
    ++counts[x];
  }
  for (int c : counts) EXPECT_NEAR(c, 1000, 130);
  EXPECT_EQ(r.below(3, 1), 0u);
}

}  // namespace
}  // namespace adder
