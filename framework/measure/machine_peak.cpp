#include "framework/measure/machine_peak.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#include "kernels/kernel.h"
#include "kernels/matmul/bf16.h"
#include "kernels/peak/peak.h"

namespace adder {
namespace {

constexpr int64_t kPartsPerThread = 4;  // so that a thread that is held up costs little
constexpr int64_t kLeastBytes = int64_t(64) << 20, kMostBytes = int64_t(256) << 20;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The best rate of the repetitions that fit: a limit is what can be reached. The first one only warms up.
template <class F>
double best_rate(double seconds, const double& work, F run) {
  run();
  double best = 0;
  const auto start = std::chrono::steady_clock::now();
  do {
    const auto began = std::chrono::steady_clock::now();
    run();
    best = std::max(best, work / seconds_since(began));
  } while (seconds_since(start) < seconds);
  return best;
}

// On all threads; FLOPs.
double run_bf16(bool tile, int64_t tasks, int64_t rounds) {
  std::vector<double> work(static_cast<size_t>(tasks));
  kernels::parallel_for(tasks, [&](int64_t i) {
    work[size_t(i)] = tile ? kernels::bf16_tile::flops(rounds) : kernels::bf16_dot::flops(rounds);
  });
  return std::accumulate(work.begin(), work.end(), 0.0);
}

int64_t beyond_the_caches() {
  const long last_cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return std::clamp<int64_t>(2 * int64_t(std::max(0L, last_cache)), kLeastBytes, kMostBytes);
}

}  // namespace

double MachinePeak::bytes() const { return std::max({read, copy, triad}); }

MachinePeak measure_peak(DType dtype, double seconds, int64_t bytes) {
  MachinePeak peak{.threads = kernels::threads(), .simd = kernels::simd_target()};
  by_dtype(dtype, [&](auto zero) {
    using T = decltype(zero);
    double work = 0;
    kernels::Peak<T> a{.tasks = kPartsPerThread * peak.threads, .rounds = 100000, .work = &work};
    peak.flops = best_rate(seconds, work, [&] { KERNEL(peak_fma, T)(Device::cpu, a); });
    peak.bf16_flops = peak.flops;
    if (dtype == DType::f32) peak.bf16_instruction = kernels::bf16_instruction();
    const bool tile = peak.bf16_instruction == "TDPBF16PS";
    if (!peak.bf16_instruction.empty())
      peak.bf16_flops = best_rate(seconds, work, [&] { work = run_bf16(tile, a.tasks, a.rounds / 2); });
    a.rounds = 200;
    peak.exps = best_rate(seconds, work, [&] { KERNEL(peak_exp, T)(Device::cpu, a); });
    a.n = (bytes > 0 ? bytes : beyond_the_caches()) / int64_t(sizeof(T)) / 64 * 64;
    const Tensor x = Tensor::full({a.n}, 1, dtype), y = Tensor::full({a.n}, 1, dtype), z = Tensor::full({a.n}, 1, dtype);
    a.x = x.data<T>(), a.y = y.data<T>(), a.z = z.data<T>();
    peak.read = best_rate(seconds, work, [&] { KERNEL(peak_read, T)(Device::cpu, a); });
    peak.copy = best_rate(seconds, work, [&] { KERNEL(peak_copy, T)(Device::cpu, a); });
    peak.triad = best_rate(seconds, work, [&] { KERNEL(peak_triad, T)(Device::cpu, a); });
  });
  arena::trim();
  return peak;
}

double flops_now() {
  double work = 0;
  const kernels::Peak<float> a{.tasks = kernels::threads(), .rounds = 100000, .work = &work};
  return best_rate(0, work, [&] { KERNEL(peak_fma, float)(Device::cpu, a); });
}

MachinePeak at_rate(MachinePeak peak, double flops) {
  const double factor = flops / peak.flops;
  peak.flops *= factor, peak.bf16_flops *= factor, peak.exps *= factor;
  return peak;
}

Limit limit_of(const Cost& cost, const MachinePeak& peak) {
  const double of_bf16 = cost.bf16_flops > 0 ? cost.bf16_flops / peak.bf16_flops : 0;
  const double multiply = (cost.flops - cost.bf16_flops) / peak.flops + of_bf16, exponential = cost.exps / peak.exps, memory = cost.bytes / peak.bytes();
  if (multiply + exponential + memory <= 0) return {};
  if (memory >= multiply + exponential) return {memory, "B", cost.bytes};
  if (exponential > multiply) return {multiply + exponential, "exp", cost.exps};
  return {multiply + exponential, "FLOP", cost.flops};
}

}  // namespace adder
