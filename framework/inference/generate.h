// Text from a model, one token at a time, its state carried along: constant memory for recurrent models.
#pragma once
#include <functional>
#include <vector>

#include "framework/nn/model.h"

namespace adder {

struct SamplingOptions {
  double temperature = 1;  // 0: always the likeliest token (the lowest id of several)
  int64_t top_k = 0;       // only the k likeliest; 0: all
  double top_p = 1;        // only the likeliest whose probabilities reach p; 1: all
  uint64_t seed = 1337;
};

// The token drawn from one row of logits, (…, V) of any rank: softmax(logits / temperature), cut off by top_k
// and what is left by top_p; of equally likely tokens the lower ids stay. The draw is a pure function of
// (row, options, index). UsageError for options out of range, DivergedError for logits that are not numbers.
int32_t sample(const Tensor& logits, const SamplingOptions& options, uint64_t index);

// Continues `prompt` (at least one token) by `count` tokens; token i of them is drawn with index i. `emit`
// gets each as it is drawn; false stops. An id outside the vocabulary is an Error. bf16_cache: Pass::bf16_cache of all passes.
void generate(Model& model, const std::vector<int32_t>& prompt, int64_t count, const SamplingOptions& options,
              const std::function<bool(int32_t)>& emit, bool bf16_cache = false);

// Continues several prompts of any lengths as one batch. Each prompt is read by itself; then all take their
// steps together. Row r draws its token i with (options[r].seed, i): it gets, to the bit, what generate()
// gives for prompts[r] and options[r] alone. `emit` gets row and token, row by row; false ends that row, and
// the others go on. A prompt that stands there again is read once.
void generate_batch(Model& model, const std::vector<std::vector<int32_t>>& prompts, int64_t count,
                    const std::vector<SamplingOptions>& options,
                    const std::function<bool(int64_t row, int32_t token)>& emit, bool bf16_cache = false);
// The same options, the seed too, for every row.
void generate_batch(Model& model, const std::vector<std::vector<int32_t>>& prompts, int64_t count,
                    const SamplingOptions& options,
                    const std::function<bool(int64_t row, int32_t token)>& emit, bool bf16_cache = false);

}  // namespace adder
