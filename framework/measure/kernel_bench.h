// One kernel's speed at one size, beside the machine's limits: first the check of its op, then the clock. A family of
// them is a file in benches/ and its line in benches.cpp.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "framework/checks/check_op.h"
#include "framework/measure/machine_peak.h"

namespace adder {

// What is timed: one call, and the work in it.
struct Timed {
  std::function<void()> run;
  Cost work;
};

struct KernelBench {
  std::string name;                      // "matmul/NT 768x512x128"
  std::function<CheckReport()> check;    // of the same kernel, at a size that a reference can follow
  std::function<Timed()> prepare;        // makes the inputs
};

// The upper one of two in the middle. At least one time.
double median(std::vector<double> times);

// The median of the repetitions that `seconds` leave room for, at least three, each of a millisecond or more.
double median_seconds(const std::function<void()>& run, double seconds);

// The same, and flops_now() meanwhile: the median of samples before each repetition.
struct Paced {
  double seconds = 0, flops = 0;
};
Paced median_paced(const std::function<void()>& run, double seconds);

struct KernelSpeed {
  std::string name;
  CheckReport check;
  Cost work;                 // seconds: of one call; 0 where the check failed: a wrong answer has no speed
  double flops = 0;          // the machine's multiply-adds meanwhile, FLOP/s
};
KernelSpeed measure(const KernelBench& bench, double seconds);

// An op, at sizes of its own meaning: forward alone, or forward and backward. Its float inputs want gradients.
using Sizes = std::vector<int64_t>;
struct OpFamily {
  std::string name;
  std::function<OpCase(const Sizes&)> make;
  Sizes small;                 // checked
  std::vector<Sizes> large;    // timed, in float32
};
std::vector<KernelBench> op_benches(const OpFamily& family, bool forward = true, bool train = true);

// "2x3x4"
std::string shown(const Sizes& sizes);

// All there are, those whose name contains one of `filters` (none: all).
std::vector<KernelBench> kernel_benches(const std::vector<std::string>& filters = {});

}  // namespace adder
