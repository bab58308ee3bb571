// Matrix products at the classes of a training step: NT (forward), NN (input gradient), TN (weight gradient).
// FLOP/s beside the processor's fused multiply-add peak, which `adder bench` will measure.
#include <benchmark/benchmark.h>

#include "framework/checks/check_op.h"
#include "kernels/kernel.h"
#include "kernels/matmul/matmul.h"

namespace adder {
namespace {

void product(benchmark::State& bench, char kind) {
  const int64_t m = bench.range(0), n = bench.range(1), k = bench.range(2);
  const Tensor a = normal_input({m, k}, 1).to(DType::f32), b = normal_input({k, n}, 2).to(DType::f32);
  const Tensor c = Tensor::zeros({m, n});
  kernels::MatMul<float> p{.m = m, .n = n, .k = k, .a = a.data<float>(), .a_row = k, .a_col = 1,
                           .b = b.data<float>(), .b_row = n, .b_col = 1, .c = c.data<float>(), .c_row = n};
  if (kind == 't') p.b_row = 1, p.b_col = k;              // NT: b holds (n, k)
  if (kind == 'a') p.a_row = 1, p.a_col = m;              // TN: a holds (k, m)
  kernels::set_threads(int(bench.range(3)));
  for (auto _ : bench) KERNEL(matmul, float)(Device::cpu, p);
  kernels::set_threads(0);
  bench.counters["FLOP/s"] =
      benchmark::Counter(2.0 * double(m * n * k), benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

void shapes(benchmark::internal::Benchmark* b) {
  for (int threads : {1, 2})
    for (auto [m, n, k] : {std::array<int64_t, 3>{768, 672, 168}, {768, 168, 336}, {768, 43, 336}, {2048, 512, 128},
                           {2048, 128, 256}, {768, 384, 384}, {768, 768, 768}, {64, 50280, 768}, {1, 512, 128},
                           {2048, 1536, 384}, {2048, 384, 1536}, {8192, 1024, 256}, {8192, 256, 1024}})
      b->Args({m, n, k, threads});
  b->UseRealTime()->Unit(benchmark::kMicrosecond);
}
BENCHMARK_CAPTURE(product, NT, 't')->Apply(shapes);
BENCHMARK_CAPTURE(product, NN, 'n')->Apply(shapes);
BENCHMARK_CAPTURE(product, TN, 'a')->Apply(shapes);

}  // namespace
}  // namespace adder
