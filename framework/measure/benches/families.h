// The families of kernel benchmarks: a file each, and its line here.
#pragma once
#include "framework/measure/kernel_bench.h"

namespace adder {

// Those of several ops.
inline std::vector<KernelBench> benches_of(const std::vector<OpFamily>& families) {
  std::vector<KernelBench> all;
  for (const OpFamily& family : families)
    for (KernelBench& bench : op_benches(family)) all.push_back(std::move(bench));
  return all;
}

std::vector<KernelBench> matmul_benches();
std::vector<KernelBench> scan_benches();
std::vector<KernelBench> attention_benches();
std::vector<KernelBench> recurrent_benches();
std::vector<KernelBench> state_space_benches();
std::vector<KernelBench> norm_benches();
std::vector<KernelBench> elementwise_benches();
std::vector<KernelBench> loss_benches();
std::vector<KernelBench> optimizer_benches();

inline constexpr std::vector<KernelBench> (*kBenchFamilies[])() = {
    matmul_benches, scan_benches, attention_benches, recurrent_benches, state_space_benches, norm_benches, elementwise_benches, loss_benches,
    optimizer_benches,
};

}  // namespace adder
