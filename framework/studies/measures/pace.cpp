#include "framework/studies/measures/pace.h"

#include "framework/measure/kernel_bench.h"
#include "framework/measure/random_tokens.h"
#include "framework/training/trainer.h"

namespace adder::studies {

double pace(const Subject& subject, double seconds) {
  Config config = subject.config;
  config.training.state = "reset";
  const TrainingConfig& t = config.training;
  const RandomTokens batches(subject.vocabulary, t.batch_size, t.context_length, config.model.features);
  Trainer trainer(config, subject.model(config.dtype()), batches);
  trainer.step();
  return median_seconds([&] { trainer.step(); }, seconds) / double(t.tokens_a_step());
}

}  // namespace adder::studies
