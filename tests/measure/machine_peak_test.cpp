// Limits: that they are measured at all, and how a cost meets them. Never a speed.
#include "framework/measure/machine_peak.h"

#include <gtest/gtest.h>

#include "kernels/simd_target.h"

namespace adder {
namespace {

constexpr double kShort = 0.001;
constexpr int64_t kFewBytes = 1 << 20;

TEST(MachinePeak, EveryLimitIsMeasuredOnEveryTarget) {
  for (const std::string& target : kernels::simd_targets()) {
    kernels::set_simd_target(target);
    for (const DType dtype : {DType::f32, DType::f64}) {
      const MachinePeak peak = measure_peak(dtype, kShort, kFewBytes);
      EXPECT_EQ(peak.simd, target);
      EXPECT_GE(peak.threads, 1);
      for (const double limit : {peak.flops, peak.bf16_flops, peak.exps, peak.read, peak.copy, peak.triad}) EXPECT_GT(limit, 0) << target;
      EXPECT_GT(peak.flops, peak.exps) << target;  // an exponential is several multiply-adds
    }
  }
  kernels::set_simd_target("");
}

// At half the clock arithmetic takes twice the time, memory as long as before.
TEST(MachinePeak, ArithmeticFollowsTheMomentsRate) {
  EXPECT_GT(flops_now(), 0);
  const MachinePeak slow = at_rate({.flops = 100, .bf16_flops = 400, .exps = 10, .read = 20}, 50);
  EXPECT_EQ(slow.flops, 50);
  EXPECT_EQ(slow.bf16_flops, 200);
  EXPECT_EQ(slow.exps, 5);
  EXPECT_EQ(slow.read, 20);
}

TEST(MachinePeak, ArithmeticTimesAddAndMemoryStandsBesideThem) {
  const MachinePeak peak{.flops = 100, .exps = 10, .read = 20, .copy = 50, .triad = 40};
  EXPECT_EQ(peak.bytes(), 50);
  EXPECT_EQ(limit_of({}, peak).seconds, 0);
  const Limit product = limit_of({.flops = 300, .bytes = 50, .exps = 10}, peak);
  EXPECT_EQ(product.seconds, 4);
  EXPECT_EQ(product.unit, "FLOP");
  EXPECT_EQ(product.amount, 300);
  EXPECT_EQ(limit_of({.flops = 100, .bytes = 50, .exps = 20}, peak).unit, "exp");
  const MachinePeak with_bf16{.flops = 100, .bf16_flops = 200, .exps = 10, .read = 20};
  EXPECT_EQ(limit_of({.flops = 500, .bf16_flops = 400}, with_bf16).seconds, 3);
  const Limit moved = limit_of({.flops = 100, .bytes = 500}, peak);
  EXPECT_EQ(moved.seconds, 10);
  EXPECT_EQ(moved.unit, "B");
}

}  // namespace
}  // namespace adder
