// Selective scan alone, at the shapes of ../shared/baselines/baseline_scan.py. items/s = batch * channels * state * length a second.
#include <benchmark/benchmark.h>

#include "framework/checks/check_op.h"
#include "framework/ops/selective_scan.h"

namespace adder {
namespace {

void scan(benchmark::State& bench, bool train) {
  const int64_t batch = bench.range(0), channels = bench.range(1), state = bench.range(2), length = bench.range(3);
  const auto f32 = [](Tensor t) { return t.to(DType::f32); };
  const Shape rows = {batch, length, channels}, in = {batch, length, state};
  std::vector<Tensor> x = {f32(normal_input(rows, 1)), f32(normal_input(rows, 2)),
                           f32(uniform_input({channels, state}, 3, -16, -1)), f32(normal_input(in, 4)),
                           f32(normal_input(in, 5)), f32(normal_input({channels}, 6)), f32(normal_input(rows, 7)),
                           f32(uniform_input({channels}, 8, -5, -3))};
  const Tensor dy = f32(normal_input(rows, 9));
  for (auto _ : bench) {
    Tape tape;
    std::vector<Var> v;
    for (const Tensor& t : x) v.push_back(train ? tape.leaf(t) : Var(t));
    const auto r = ops::selective_scan({v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], {}, {}});
    benchmark::DoNotOptimize(r.y.value().raw());
    if (train) tape.backward({{r.y, dy}});
  }
  bench.SetItemsProcessed(bench.iterations() * batch * channels * state * length);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->Args({1, 768, 16, 2048})->Args({4, 256, 16, 512})->Args({8, 256, 16, 256})->UseRealTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK_CAPTURE(scan, forward, false)->Apply(shapes);
BENCHMARK_CAPTURE(scan, train, true)->Apply(shapes);

}  // namespace
}  // namespace adder
