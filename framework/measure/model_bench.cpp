#include "framework/measure/model_bench.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "framework/inference/packed_weights.h"
#include "framework/measure/kernel_bench.h"
#include "framework/measure/machine.h"
#include "framework/measure/random_tokens.h"
#include "framework/training/trainer.h"
#include "kernels/parallel.h"

namespace adder {
namespace {

constexpr int64_t kDecoded = 16;  // tokens after a context, one of them not timed: the cache may have to move

}  // namespace

double decode_seconds(Model& model, int64_t length, double seconds, int64_t batch, bool bf16_cache) {
  using Clock = std::chrono::steady_clock;
  const kernels::FlushSubnormals flush;
  const auto tokens = [&](int64_t rows, int64_t count) {
    const Batch drawn = RandomTokens(model.vocabulary(), rows, count, model.features()).at(0);
    return Tokens{drawn.ids, {}, drawn.features};
  };
  const PackedWeights packed(model.parameters());
  Pass pass{.bf16_cache = bf16_cache};
  State read;
  const int64_t decoded = std::min(kDecoded, std::max<int64_t>(1, length / 2));
  if (length > decoded) model.forward(pass, tokens(1, length - decoded), read);
  State before = read.detach();
  if (batch > 1 && length > decoded) before = before.rows(std::vector<int64_t>(size_t(batch), 0));
  const Tokens token = tokens(batch, 1);
  std::vector<double> times;
  for (const auto start = Clock::now(); times.empty() || std::chrono::duration<double>(Clock::now() - start).count() < seconds;) {
    State at = before;
    for (int64_t i = 0; i < decoded; ++i) {
      const auto began = Clock::now();
      model.forward(pass, token, at);
      if (i > 0 || decoded == 1) times.push_back(std::chrono::duration<double>(Clock::now() - began).count());
    }
  }
  return median(std::move(times));
}

ModelSpeed measure_model(const Config& config, const ModelFactory& factory, int64_t vocabulary, const MachinePeak& peak,
                         double seconds, bool bf16_cache) {
  const TrainingConfig& t = config.training;
  arena::trim();  // what others needed before is not to be had again
  const RandomTokens batches(vocabulary, t.batch_size, t.context_length, config.model.features);
  auto model = factory.make(config.model, vocabulary, uint64_t(config.seed), config.dtype());
  const int64_t before = resident_bytes();
  Trainer trainer(config, std::move(model), batches);
  ModelSpeed speed;
  speed.parameters = trainer.model().parameters().count();
  speed.tokens = t.tokens_a_step();
  trainer.step();
  Profile profile;
  trainer.profile(&profile);
  const Paced paced = median_paced([&] { trainer.step(); }, seconds);
  speed.growth = resident_bytes() - before;  // the arena keeps what a step needed most
  const double steps = double(profile.steps());
  const MachinePeak meanwhile = at_rate(peak, paced.flops);
  for (const Profile::Row& row : profile.rows())
    for (const Cost& cost : {row.forward, row.backward}) {
      speed.step += cost;
      speed.limit_seconds += limit_of(cost, meanwhile).seconds / steps;
    }
  speed.step.flops /= steps, speed.step.exps /= steps, speed.step.bf16_flops /= steps, speed.step.bytes /= steps;
  speed.step.seconds = paced.seconds;
  speed.decode_seconds = decode_seconds(trainer.model(), config.training.context_length, seconds, 1, bf16_cache);
  return speed;
}

}  // namespace adder
