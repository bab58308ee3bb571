// A model's speed: a training step and decoding, on random tokens.
#pragma once
#include "framework/config/config.h"
#include "framework/measure/machine_peak.h"

namespace adder {

struct ModelSpeed {
  int64_t parameters = 0;
  int64_t tokens = 0;             // a step
  Cost step;                      // seconds: the median step's
  int64_t growth = 0;             // bytes by which the process grew over its size with the weights: the optimizer's state, gradients, activations
  double limit_seconds = 0;       // of such a step, by op at its own limit
  double decode_seconds = 0;      // the median token's, one row, after as many tokens as a training context
};

// Steps and tokens for about `seconds` each, three at least; the first of each only warms up.
ModelSpeed measure_model(const Config& config, const ModelFactory& factory, int64_t vocabulary, const MachinePeak& peak,
                         double seconds, bool bf16_cache = false);

// The seconds of one token in each of `batch` equal rows, the median over tokens that follow a context of `length` at most;
// it is read as one stretch, once for all rows. bf16_cache: Pass::bf16_cache.
double decode_seconds(Model& model, int64_t length, double seconds, int64_t batch = 1, bool bf16_cache = false);

}  // namespace adder
