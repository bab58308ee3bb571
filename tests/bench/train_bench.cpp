// A training step of Mamba (forward, backward, clipping, AdamW) on random tokens: items/s = tokens a second.
// The shapes are those of ../shared/baselines (baseline_train.py --model mamba_chunk) and of configs/shakespeare_mamba.json.
#include <benchmark/benchmark.h>

#include "framework/training/trainer.h"
#include "models/registry.h"

namespace adder {
namespace {

void mamba_step(benchmark::State& bench) {
  const int64_t d_model = bench.range(0), layers = bench.range(1), length = bench.range(2), batch = bench.range(3);
  const auto set = [](const char* key, int64_t value) { return std::string(key) + "=" + std::to_string(value); };
  const Config config = parse_config(
      R"({"data": {"train": "unused"}, "model": {"architecture": "mamba"}, "optimizer": {"learning_rate": 1e-4}})", "bench",
      {set("model.d_model", d_model), set("model.n_layers", layers), set("training.context_length", length),
       set("training.batch_size", batch)},
      model_registry());
  std::vector<int32_t> ids;
  const Random random(1, "bench");
  for (uint64_t i = 0; i < 100000; ++i) ids.push_back(int32_t(random.below(i, 65)));
  const RandomWindows batches(TokenSpan::from(ids), {batch, length, 1}, 1);
  Trainer trainer(config, model_registry().make(config.model, 65, 1, DType::f32), batches);
  trainer.step();
  trainer.step();
  for (auto _ : bench) benchmark::DoNotOptimize(trainer.step());
  bench.SetItemsProcessed(bench.iterations() * batch * length);
}
BENCHMARK(mamba_step)->Args({168, 4, 64, 12})->Args({128, 4, 256, 8})->Args({384, 6, 256, 8})
    ->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace adder
