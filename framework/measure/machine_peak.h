// This machine's limits, measured, and how far from them a piece of work stays.
#pragma once
#include <string>

#include "framework/core/profile.h"
#include "framework/core/tensor.h"

namespace adder {

// Of all threads in use together, on the SIMD target in use.
struct MachinePeak {
  int threads = 1;
  std::string simd = {};
  double flops = 0;                    // fused multiply-adds a second, times two
  double bf16_flops = 0;               // the same of bfloat16 operands; in float64 no more than flops
  std::string bf16_instruction = {};   // theirs; empty: float32's multiply-adds
  double exps = 0;                     // exponentials a second, from L1
  double read = 0, copy = 0, triad = 0;  // bytes a second beyond the last cache
  double bytes() const;                // the most of the three
};

// Each of the limits takes about `seconds`, plus the time to get `bytes` of memory for each of three buffers (0:
// what exceeds the last cache).
MachinePeak measure_peak(DType dtype, double seconds = 0.1, int64_t bytes = 0);

// FLOP/s of float32 multiply-adds on all threads at this moment, from a fifth of a millisecond, after as long to wake the
// threads: the clock of cores that share a socket changes from second to second.
double flops_now();
// The limits of a moment with that rate: what was measured once, arithmetic slower or faster by as much.
MachinePeak at_rate(MachinePeak peak, double flops);

// The least time that the machine could take: arithmetic (FLOPs and exponentials share the same units, so their times
// add) or memory, whichever is more; and what takes it.
struct Limit {
  double seconds = 0;
  std::string unit;        // "FLOP", "exp" or "B"; "" where there is nothing to do
  double amount = 0;       // of that unit
};
Limit limit_of(const Cost& cost, const MachinePeak& peak);

}  // namespace adder
