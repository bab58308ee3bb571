#include "framework/measure/model_bench.h"

#include "framework/measure/kernel_bench.h"
#include "framework/measure/random_tokens.h"
#include "framework/training/trainer.h"
#include "kernels/parallel.h"

namespace adder {
namespace {

// The context is read as one stretch; then a token at a time, the state carried.
double decode_seconds(Model& model, int64_t context, double seconds) {
  const kernels::FlushSubnormals flush;
  Pass pass;
  State state;
  const auto tokens = [&](int64_t length) {
    const Batch batch = RandomTokens(model.vocabulary(), 1, length, model.features()).at(0);
    return Tokens{batch.ids, {}, batch.features};
  };
  model.forward(pass, tokens(context), state);
  const State read = state.detach();
  const Tokens token = tokens(1);
  // Each from the same state, so that a cache does not grow with the time that is given.
  return median_seconds([&] {
    State at = read;
    model.forward(pass, token, at);
  }, seconds);
}

// Learned positions end with the context: the token that is timed must be one of them.
int64_t tokens_before(const Config& config) {
  const int64_t length = config.training.context_length;
  return length > 1 ? length - 1 : 1;
}

}  // namespace

ModelSpeed measure_model(const Config& config, const ModelFactory& factory, int64_t vocabulary, const MachinePeak& peak,
                         double seconds) {
  const TrainingConfig& t = config.training;
  const RandomTokens batches(vocabulary, t.batch_size, t.context_length, config.model.features);
  Trainer trainer(config, factory.make(config.model, vocabulary, uint64_t(config.seed), config.dtype()), batches);
  ModelSpeed speed;
  speed.parameters = trainer.model().parameters().count();
  speed.tokens = t.batch_size * t.context_length * t.accumulate;
  trainer.step();
  Profile profile;
  trainer.profile(&profile);
  const double median = median_seconds([&] { trainer.step(); }, seconds);
  const double steps = double(profile.steps());
  for (const Profile::Row& row : profile.rows())
    for (const Cost& cost : {row.forward, row.backward}) {
      speed.step += cost;
      speed.limit_seconds += limit_of(cost, peak).seconds / steps;
    }
  speed.step.flops /= steps, speed.step.exps /= steps, speed.step.bytes /= steps;
  speed.step.seconds = median;
  speed.decode_seconds = decode_seconds(trainer.model(), tokens_before(config), seconds);
  return speed;
}

}  // namespace adder
