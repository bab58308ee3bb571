// How much the loss of one token owes to each token before it: the norm of d loss_t / d (what stood at t - k), by lag k.
// On the embeddings e_s it compares all architectures; on the recurrent states it is the vanishing gradient as in
// Pascanu et al. (2013). The loss is taken at one token alone, so no nearer loss hides what vanishes.
#pragma once
#include "framework/gradient_lab/backsweep.h"
#include "framework/gradient_lab/memory_length.h"

namespace adder::lab {

struct LagProfile {
  std::vector<std::string> places;  // of the residual stream: "embed", "layers.0", …, "final"
  Tensor stream;                    // (places, probes, lags + 1): log10 |d loss_t / d stream at t - k|
  Tensor embedding;                 // (probes, lags + 1): log10 |d loss_t / d e_{t-k}|, the first of them
  std::vector<std::string> states;  // "blocks.0.mixer.h"
  Tensor state;                     // (states, probes, lags + 1): log10 |d loss_t / d state after t - k|; NaN at lag 0
  MemoryLength memory;              // of the embedding's profile
};

// ids, labels int32 (probes, length): each row is a probe, whose loss is taken at its last token t = length - 1. lags from
// 2 to length - 1; what stands before is only read. Rows are swept `rows_at_once` together: memory, and nothing else,
// depends on it.
LagProfile lag_profile(Model& model, const Tensor& ids, const Tensor& labels, int64_t lags, int64_t rows_at_once = 8);

}  // namespace adder::lab
