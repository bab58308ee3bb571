#include "framework/training/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/core/error.h"

namespace adder {
namespace {

ScheduleOptions shaped(const std::string& name) {
  return {.name = name, .warmup_steps = 100, .decay_steps = 2000, .min_learning_rate = 1e-4};
}

TEST(Schedule, WarmsUpAsNanoGptDoes) {
  for (const auto& name : schedule_names()) {
    EXPECT_DOUBLE_EQ(learning_rate(shaped(name), 1e-3, 0), 1e-3 / 101) << name;
    EXPECT_DOUBLE_EQ(learning_rate(shaped(name), 1e-3, 99), 1e-3 * 100 / 101) << name;
    EXPECT_DOUBLE_EQ(learning_rate(shaped(name), 1e-3, 100), 1e-3) << name;
  }
}

TEST(Schedule, CosineFallsToTheMinimum) {
  const auto s = shaped("cosine");
  // nanoGPT's get_lr with warmup_iters 100 and lr_decay_iters 2000.
  EXPECT_NEAR(learning_rate(s, 1e-3, 575), 8.6819805153394639e-4, 1e-17);
  EXPECT_NEAR(learning_rate(s, 1e-3, 1050), 5.5e-4, 1e-17);
  EXPECT_NEAR(learning_rate(s, 1e-3, 1999), 1.00000615e-4, 1e-12);
  EXPECT_EQ(learning_rate(s, 1e-3, 2000), 1e-4);
  EXPECT_EQ(learning_rate(s, 1e-3, 1000000), 1e-4);
}

TEST(Schedule, LinearIsALine) {
  const auto s = shaped("linear");
  EXPECT_NEAR(learning_rate(s, 1e-3, 1050), 5.5e-4, 1e-17);
  EXPECT_NEAR(learning_rate(s, 1e-3, 575), 7.75e-4, 1e-17);
  EXPECT_EQ(learning_rate(s, 1e-3, 2000), 1e-4);
}

TEST(Schedule, WarmupStableDecay) {
  auto s = shaped("wsd");
  s.decay_fraction = 0.25;  // the last 500 of 2000 steps
  EXPECT_EQ(learning_rate(s, 1e-3, 1499), 1e-3);
  EXPECT_EQ(learning_rate(s, 1e-3, 1500), 1e-3);
  EXPECT_LT(learning_rate(s, 1e-3, 1501), 1e-3);
  EXPECT_NEAR(learning_rate(s, 1e-3, 1750), 5.5e-4, 1e-17);
  EXPECT_EQ(learning_rate(s, 1e-3, 2000), 1e-4);
  s.decay_fraction = 1;  // no stable part: the decay starts where warmup ends, not before
  EXPECT_EQ(learning_rate(s, 1e-3, 100), 1e-3);
  EXPECT_NEAR(learning_rate(s, 1e-3, 1050), 5.5e-4, 1e-17);
}

TEST(Schedule, ConstantStays) { EXPECT_EQ(learning_rate(shaped("constant"), 1e-3, 1000000), 1e-3); }

TEST(Schedule, WarmupUpToTheHorizonLeavesNoDecay) {
  for (const char* name : {"cosine", "linear", "wsd"}) {
    const ScheduleOptions s{.name = name, .warmup_steps = 10, .decay_steps = 10, .min_learning_rate = 1e-4};
    EXPECT_DOUBLE_EQ(learning_rate(s, 1e-3, 9), 1e-3 * 10 / 11);
    EXPECT_EQ(learning_rate(s, 1e-3, 10), 1e-4);
  }
}

TEST(Schedule, RefusesAnUnknownName) { EXPECT_THROW(learning_rate(shaped("cosin"), 1e-3, 0), UsageError); }

}  // namespace
}  // namespace adder
