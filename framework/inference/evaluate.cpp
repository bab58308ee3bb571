#include "framework/inference/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/core/error.h"
#include "framework/ops/cross_entropy.h"

namespace adder {
namespace {

// The loss of each label, float64 (rows, length); nothing is recorded.
Tensor losses_of(Model& model, const Batch& batch, State& state, bool bf16_cache = false) {
  Pass pass{.bf16_cache = bf16_cache};
  const Var logits = model.forward(pass, {batch.ids, batch.resets}, state);
  return ops::token_losses(logits.value(), batch.labels);
}

void check_carry(const Model& model, const EvaluationOptions& options) {
  if (!options.carry) return;
  if (options.stride != options.window)
    throw UsageError("evaluation.stride is " + std::to_string(options.stride) + ", the window " +
                     std::to_string(options.window) +
                     ": where the state is carried every token is read once, so both must be the same");
  if (!model.bounded_state())
    throw UsageError("evaluation.state is \"carry\", but attention's cache grows with the text; set model.window, "
                     "or evaluation.state \"reset\"");
}

// Window by window and position by position, whatever the rows of a batch: the sums' order never changes.
void add_batch(const Tensor& losses, const Tensor& labels, const Tokenizer* tokenizer,
               std::vector<double>* token_losses, Evaluation& result) {
  const int64_t length = labels.dim(1);
  for (int64_t i = 0; i < labels.size(); ++i) {
    const int32_t label = labels.data<int32_t>()[i];
    if (label == kIgnoreLabel) continue;
    const double loss = losses.data<double>()[i];
    const size_t position = size_t(i % length);
    ++result.tokens;
    result.nats += loss;
    result.by_position[position] += loss;
    ++result.position_counts[position];
    if (token_losses) token_losses->push_back(loss);
    if (tokenizer) result.bytes += tokenizer->bytes_of(label);
  }
}

}  // namespace

double Evaluation::perplexity() const { return std::exp(loss()); }

double Evaluation::bits_per_byte() const {
  return bytes ? nats / std::log(2.0) / double(bytes) : std::numeric_limits<double>::quiet_NaN();
}

Evaluation evaluate(Model& model, const TokenSpan& tokens, const EvaluationOptions& options,
                    const Tokenizer* tokenizer) {
  check_carry(model, options);
  const EvaluationWindows windows(tokens, options.window, options.stride, options.carry ? 1 : options.batch_size);
  const size_t longest = size_t(std::min(options.window, windows.scored()));
  Evaluation result;
  result.by_position.assign(longest, 0);
  result.position_counts.assign(longest, 0);
  State state;
  for (int64_t i = 0; i < windows.batches(); ++i) {
    if (options.stop && options.stop()) {
      result.complete = false;
      break;
    }
    const Batch batch = windows.at(i);
    if (!options.carry) state = State();
    add_batch(losses_of(model, batch, state, options.bf16_cache), batch.labels, tokenizer, options.token_losses, result);
  }
  for (size_t t = 0; t < longest; ++t) result.by_position[t] /= double(result.position_counts[t]);
  return result;
}

double random_window_loss(Model& model, const TokenSpan& tokens, const WindowOptions& windows, int64_t count,
                          uint64_t seed) {
  if (count < 1)
    throw UsageError("random windows: " + std::to_string(count) + " batches, expected 1 or more");
  const RandomWindows batches(tokens, windows, seed, "estimate");
  double total = 0;
  int64_t scored = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Batch batch = batches.at(i);
    State state;
    const Tensor losses = losses_of(model, batch, state);
    for (int64_t k = 0; k < losses.size(); ++k) {
      total += losses.data<double>()[k];
      scored += batch.labels.data<int32_t>()[k] != kIgnoreLabel;
    }
  }
  return total / double(scored);
}

}  // namespace adder
