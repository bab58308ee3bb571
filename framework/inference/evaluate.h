// The loss of a model on a text, as a full pass: every token after the first is scored once, the tail too.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "framework/data/batches.h"
#include "framework/data/tokenizer.h"
#include "framework/nn/model.h"

namespace adder {

struct EvaluationOptions {
  int64_t window = 256;     // tokens a window; the state is reset before each, unless it is carried
  int64_t stride = 256;     // tokens from window to window; each later window scores its last `stride`
  int64_t batch_size = 16;  // windows at a time: changes speed, not a bit of the result
  bool carry = false;       // one window after another, the state going on; needs stride == window
  bool bf16_cache = false;  // Pass::bf16_cache
  std::function<bool()> stop = nullptr;  // asked before each batch; true: give up
  std::vector<double>* token_losses = nullptr;  // gets the loss of each scored token, in the order of the text
};

struct Evaluation {
  bool complete = true;       // false: given up, the numbers are of a part only
  int64_t tokens = 0;               // scored
  int64_t bytes = 0;                // of text that they stand for; 0 without a tokenizer
  double nats = 0;                  // summed in a fixed order
  std::vector<double> by_position;  // mean nats at each position of the window
  std::vector<int64_t> position_counts;
  double loss() const { return nats / double(tokens); }
  double perplexity() const;
  double bits_per_byte() const;  // NaN without bytes
};

// Every sum runs window by window and position by position, so neither batch_size nor threads change a bit.
// An UnreadableError where there are fewer than two tokens, a UsageError for options out of range, and where a
// state is to be carried that grows with the text.
Evaluation evaluate(Model& model, const TokenSpan& tokens, const EvaluationOptions& options,
                    const Tokenizer* tokenizer);

// nanoGPT's estimate: the mean loss of `count` random batches, drawn apart from those of training. Not
// comparable with a full pass.
double random_window_loss(Model& model, const TokenSpan& tokens, const WindowOptions& windows, int64_t count,
                          uint64_t seed);

}  // namespace adder
