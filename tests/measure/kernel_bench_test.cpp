// Benchmarks: that each has a check and work, and that a failing check leaves no figure. Never a speed.
#include "framework/measure/kernel_bench.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

namespace adder {
namespace {

TEST(KernelBench, AFailingCheckSuppressesTheFigure) {
  bool ran = false;
  const KernelBench broken{"broken", [] { return CheckReport{"wrong by 3", false}; }, [&] {
                             ran = true;
                             return Timed{[] {}, {.flops = 1}};
                           }};
  const KernelSpeed speed = measure(broken, 0.001);
  EXPECT_FALSE(speed.check.ok);
  EXPECT_EQ(speed.work.seconds, 0);
  EXPECT_EQ(speed.work.flops, 0);
  EXPECT_FALSE(ran);
}

TEST(KernelBench, AHoldingCheckIsTimed) {
  int calls = 0;
  const KernelBench bench{"fine", [] { return CheckReport{"", true}; },
                          [&] { return Timed{[&] { ++calls; }, {.flops = 5}}; }};
  const KernelSpeed speed = measure(bench, 0.001);
  EXPECT_GT(speed.work.seconds, 0);
  EXPECT_EQ(speed.work.flops, 5);
  EXPECT_GT(calls, 3);
}

TEST(KernelBench, EachIsNamedOnceAndFound) {
  std::set<std::string> names;
  for (const KernelBench& bench : kernel_benches()) EXPECT_TRUE(names.insert(bench.name).second) << bench.name;
  for (const char* part : {"matmul/NT", "matmul/NN", "matmul/TN", "selective_scan/forward", "selective_scan/train", "ssd/",
                           "attention/train 8x6x256x64", "attention/train 1x4x4096x64", "rnn/", "lstm/", "gru/", "rms_norm/",
                           "layer_norm/", "cross_entropy/", "causal_conv1d/", "adamw"})
    EXPECT_FALSE(kernel_benches({part}).empty()) << part;
  EXPECT_TRUE(kernel_benches({"no such kernel"}).empty());
}

TEST(KernelBench, EveryKernelHasOne) {
  const std::filesystem::path kernels = std::filesystem::path(ADDER_SOURCE_DIR) / "kernels";
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kernels)) {
    const std::string name = entry.path().filename();
    if (!std::filesystem::exists(entry.path() / "cpu.cpp") || name == "peak") continue;
    const auto benches = kernel_benches({name});
    const auto of_it = [&](const KernelBench& b) { return b.name.substr(0, b.name.find_first_of("/ ")) == name; };
    EXPECT_TRUE(std::any_of(benches.begin(), benches.end(), of_it)) << name << ": a benchmark goes into framework/measure/benches";
    ++found;
  }
  EXPECT_GE(found, 40);
}

// Once a family: the same check stands before each of its sizes.
TEST(KernelBench, ChecksHold) {
  std::set<std::string> seen;
  for (const KernelBench& bench : kernel_benches()) {
    const std::string family = bench.name.substr(0, bench.name.find_first_of("/ "));
    if (family != "matmul" && !seen.insert(family).second) continue;
    if (family == "matmul" && !seen.insert(bench.name.substr(0, bench.name.find(' '))).second) continue;
    const CheckReport report = bench.check();
    EXPECT_TRUE(report.ok) << bench.name << ": " << report.text;
  }
}

TEST(KernelBench, WorkComesFromTheOpItself) {
  const auto benches = kernel_benches({"rnn/"});
  ASSERT_EQ(benches.size(), 2u);
  const double product = 2.0 * 32 * 256 * 256 * 256;
  EXPECT_EQ(benches[0].prepare().work.flops, product);
  EXPECT_EQ(benches[1].prepare().work.flops, 3 * product);
}

}  // namespace
}  // namespace adder
