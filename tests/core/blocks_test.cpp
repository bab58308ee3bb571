#include "framework/core/blocks.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace adder {
namespace {

constexpr uintptr_t kBase = 1 << 20;

TEST(Blocks, TakesTheSmallestThatFits) {
  Blocks b;
  EXPECT_EQ(b.take(1), 0u) << "there is nothing yet";
  b.add({kBase, 1000});
  EXPECT_EQ(b.take(300), kBase);
  EXPECT_EQ(b.take(10), kBase + 300);
  EXPECT_EQ(b.take(100), kBase + 310);
  EXPECT_EQ(b.take(10), kBase + 410);
  b.give_back({kBase, 300}), b.give_back({kBase + 310, 100});
  EXPECT_EQ(b.take(90), kBase + 310) << "of 300 and 100";
  EXPECT_EQ(b.take(300), kBase);
  EXPECT_EQ(b.take(580), kBase + 420) << "never used before";
  EXPECT_EQ(b.take(11), 0u);
  EXPECT_EQ(b.take(10), kBase + 400) << "what was left of the 100";
  EXPECT_EQ(b.used_before(), 1000u);
}

TEST(Blocks, NeighboursBecomeOneAgain) {
  for (const std::vector<int>& order : {std::vector{0, 1, 2}, {2, 1, 0}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}}) {
    Blocks b;
    b.add({kBase, 1000});
    for (int i = 0; i < 3; ++i) b.take(100);
    EXPECT_EQ(b.take(50), kBase + 300);
    for (const int i : order) b.give_back({kBase + uintptr_t(100 * i), 100});
    EXPECT_EQ(b.free(), 300u);
    EXPECT_EQ(b.take(300), kBase);
  }
}

TEST(Blocks, TheEndOfWhatWasUsedGrowsIntoWhatWasNot) {
  Blocks b;
  b.add({kBase, 1000});
  b.take(100), b.take(100);
  b.give_back({kBase + 100, 100});
  EXPECT_EQ(b.take(900), kBase + 100);
  EXPECT_EQ(b.used_before(), 1000u);
}

// Even where one begins at the other's end: each goes back to the system by itself.
TEST(Blocks, PiecesStayApart) {
  Blocks b;
  b.add({kBase, 100}), b.add({kBase + 100, 100});
  EXPECT_EQ(b.take(100), kBase);
  EXPECT_EQ(b.take(60), kBase + 100);
  b.give_back({kBase, 100}), b.give_back({kBase + 100, 60});
  EXPECT_EQ(b.free(), 160u);
  EXPECT_EQ(b.take(150), 0u);
  EXPECT_EQ(b.take(30), kBase + 100);
  const auto gone = b.remove_unused();
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].begin, kBase);
  EXPECT_EQ(b.used_before(), 60u);
  b.give_back({kBase + 100, 30});
  EXPECT_EQ(b.remove_unused().size(), 1u);
  EXPECT_EQ(b.used_before(), 0u);
  EXPECT_EQ(b.take(1), 0u);
}

TEST(Blocks, NoTwoOverlapWhateverTheOrder) {
  Blocks b;
  std::map<uintptr_t, size_t> taken;
  std::mt19937 random(1);
  uintptr_t next = kBase;
  size_t total = 0;
  for (int i = 0; i < 20000; ++i) {
    if (!taken.empty() && random() % 2) {
      const auto one = std::next(taken.begin(), std::ptrdiff_t(random() % taken.size()));
      b.give_back({one->first, one->second});
      total -= one->second;
      taken.erase(one);
      continue;
    }
    const size_t size = 1 + random() % 500;
    uintptr_t begin = b.take(size);
    if (!begin) {
      b.add({next, 4000});
      next += 4000 + random() % 2;
      begin = b.take(size);
    }
    ASSERT_NE(begin, 0u);
    const auto [at, fresh] = taken.emplace(begin, size);
    ASSERT_TRUE(fresh);
    total += size;
    const bool clear_before = at == taken.begin() || std::prev(at)->first + std::prev(at)->second <= begin;
    const bool clear_after = std::next(at) == taken.end() || begin + size <= std::next(at)->first;
    ASSERT_TRUE(clear_before && clear_after);
  }
  EXPECT_EQ(total + b.free(), b.used_before());
  for (const auto& [begin, size] : taken) b.give_back({begin, size});
  b.remove_unused();
  EXPECT_EQ(b.used_before(), 0u);
}

}  // namespace
}  // namespace adder
