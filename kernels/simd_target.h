// Which SIMD target runs: the best that the processor has, or the one that ADDER_SIMD names (avx512, avx2, scalar).
#pragma once
#include <string>
#include <vector>

namespace kernels {

std::vector<std::string> simd_targets();       // those that this machine can run, best first
std::vector<std::string> built_simd_targets(); // those that were compiled
const std::string& simd_target();              // the one in use; settles it at the first call
void set_simd_target(const std::string& name); // std::invalid_argument names the possible ones; "" is the best

}  // namespace kernels
