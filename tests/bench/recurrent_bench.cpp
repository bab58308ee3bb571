// The fused recurrences alone, without the projection of their inputs, at the shapes of configs/shakespeare_*.json.
// FLOP/s counts the products with W_hh: 2 batch length gates hidden^2 forward, three times that for training.
#include <benchmark/benchmark.h>

#include <cmath>
#include <functional>

#include "framework/checks/check_op.h"
#include "framework/ops/gru.h"
#include "framework/ops/lstm.h"
#include "framework/ops/rnn.h"

namespace adder {
namespace {

using Cell = std::function<Var(const Var& xg, const Var& w, const Var& b)>;

void run(benchmark::State& bench, const Cell& cell, int64_t gates, bool train) {
  const int64_t batch = bench.range(0), length = bench.range(1), hidden = bench.range(2);
  const auto f32 = [](Tensor t) { return t.to(DType::f32); };
  const Tensor xg = f32(normal_input({batch, length, gates * hidden}, 1)), b = f32(normal_input({gates * hidden}, 3)),
               w = f32(normal_input({gates * hidden, hidden}, 2, 1 / std::sqrt(double(hidden)))),
               dy = f32(normal_input({batch, length, hidden}, 4));
  for (auto _ : bench) {
    Tape tape;
    const auto given = [&](const Tensor& t) { return train ? tape.leaf(t) : Var(t); };
    const Var y = cell(given(xg), given(w), given(b));
    benchmark::DoNotOptimize(y.value().raw());
    if (train) tape.backward({{y, dy}});
  }
  const double flops = double(batch * length * gates * hidden * hidden) * (train ? 6 : 2);
  bench.counters["FLOP/s"] = benchmark::Counter(flops * double(bench.iterations()), benchmark::Counter::kIsRate);
}

void lstm(benchmark::State& bench, bool train) {
  run(bench, [](const Var& xg, const Var& w, const Var& b) { return ops::lstm(xg, w, b, {}, {}, {}).y; }, 4, train);
}
void gru(benchmark::State& bench, bool train) {
  run(bench, [](const Var& xg, const Var& w, const Var& b) { return ops::gru(xg, w, b, {}, {}).y; }, 3, train);
}
void rnn(benchmark::State& bench, bool train) {
  const auto cell = [](const Var& xg, const Var& w, const Var& b) {
    return ops::rnn(xg, w, b, {}, {}, ops::RnnActivation::tanh).y;
  };
  run(bench, cell, 1, train);
}

#define SHAPES UseRealTime()->Unit(benchmark::kMillisecond)
BENCHMARK_CAPTURE(lstm, forward, false)->Args({12, 64, 220})->SHAPES;
BENCHMARK_CAPTURE(lstm, train, true)->Args({12, 64, 220})->SHAPES;
BENCHMARK_CAPTURE(gru, forward, false)->Args({12, 64, 252})->SHAPES;
BENCHMARK_CAPTURE(gru, train, true)->Args({12, 64, 252})->SHAPES;
BENCHMARK_CAPTURE(rnn, forward, false)->Args({12, 64, 430})->SHAPES;
BENCHMARK_CAPTURE(rnn, train, true)->Args({12, 64, 430})->SHAPES;

}  // namespace
}  // namespace adder
