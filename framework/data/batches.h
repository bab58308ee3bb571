// Where a step's tokens come from. A batch is a pure function of (seed, step, micro-step): no history, no
// thread, no order of calls, so a resumed run sees what it would have seen.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "framework/core/tensor.h"
#include "framework/data/tokens.h"

namespace adder {

struct Batch {
  Tensor ids, labels;  // (batch, length) int32; labels[b, t] follows ids[b, t]; -100 is not scored
  // (batch, length) int32: 1 where a document starts; undefined where none does. Only tokens whose documents
  // are marked (Documents::separate) have any, and the label before such a token is -100: no continuation.
  Tensor resets{};
  // Of a task whose inputs are real numbers, float32: features (batch, length, F) in place of ids, which are
  // undefined, and the number to be told, targets (batch, length), where the label is not -100.
  Tensor features{}, targets{};
};
constexpr int32_t kIgnoreLabel = -100;

class BatchSource {
 public:
  virtual ~BatchSource() = default;
  // `step` counts optimizer steps from 0, `micro` the parts of one (gradient accumulation) from 0.
  virtual Batch at(int64_t step, int64_t micro = 0) const = 0;
  // Every row's first token follows the last of the same row in the batch before: a carried state may go on.
  virtual bool continues(int64_t step, int64_t micro = 0) const;
  virtual int64_t batch_size() const = 0;
  virtual int64_t length() const = 0;
};

struct WindowOptions {
  int64_t batch_size = 1, context_length = 1;
  int64_t accumulate = 1;  // micro-steps a step
};

// Windows with replacement, as nanoGPT: row r starts uniformly in [0, n - context), drawn from
// Random(seed, purpose, step, micro) at index r.
class RandomWindows : public BatchSource {
 public:
  RandomWindows(TokenSpan tokens, const WindowOptions& options, uint64_t seed, std::string purpose = "order");
  Batch at(int64_t step, int64_t micro = 0) const override;
  int64_t batch_size() const override { return options_.batch_size; }
  int64_t length() const override { return options_.context_length; }

 private:
  TokenSpan tokens_;
  WindowOptions options_;
  uint64_t seed_;
  std::string purpose_;
};

// The text from its start, in W = floor((n - 1) / context) windows that do not overlap, over and over.
// Row r of micro-batch i (counted over all steps) is window i * batch + r modulo W; with `streams` each row
// reads a stretch of its own, window r * floor(W / batch) + i modulo floor(W / batch), and `continues` is true
// but where the stretches begin again: for a state carried from step to step.
class SequentialWindows : public BatchSource {
 public:
  SequentialWindows(TokenSpan tokens, const WindowOptions& options, bool streams = false);
  Batch at(int64_t step, int64_t micro = 0) const override;
  bool continues(int64_t step, int64_t micro = 0) const override;
  int64_t batch_size() const override { return options_.batch_size; }
  int64_t length() const override { return options_.context_length; }
  int64_t windows() const { return windows_; }

 private:
  TokenSpan tokens_;
  WindowOptions options_;
  bool streams_;
  int64_t windows_;
};

// data.batches: an HDF5 file with input_ids and labels, (K, batch, length) integers, labels already shifted and
// -100 where nothing is to be scored. Micro-batch i (counted over all steps) is batch i; one beyond K is an
// UnreadableError, as is an id outside the vocabulary, found when the file is opened.
class FileBatches : public BatchSource {
 public:
  FileBatches(const std::string& path, int64_t vocabulary, int64_t accumulate = 1);
  Batch at(int64_t step, int64_t micro = 0) const override;
  int64_t batch_size() const override { return ids_.dim(1); }
  int64_t length() const override { return ids_.dim(2); }
  int64_t count() const { return ids_.dim(0); }  // batches in the file
  void require_steps(int64_t steps) const;       // an UnreadableError where the file holds fewer

 private:
  std::string path_;
  int64_t accumulate_;
  Tensor ids_, labels_;
};

// A full pass: each token after the first (of its document, where these are marked) is scored exactly once.
// Windows of `window` tokens start every `stride`; the first scores all its labels, each later one its last `stride`, so that a scored token has at
// least window - stride tokens before it. What is left over makes one shorter window, a batch by itself.
class EvaluationWindows {
 public:
  EvaluationWindows(TokenSpan tokens, int64_t window, int64_t stride, int64_t batch_size);
  int64_t batches() const;
  Batch at(int64_t index) const;                             // up to batch_size rows of one length
  // Labels in all the batches together, those between two marked documents counted, too.
  int64_t scored() const { return tokens_.size() - 1; }

 private:
  void fill_row(Batch& batch, int64_t row, int64_t window) const;

  TokenSpan tokens_;
  int64_t window_, stride_, batch_size_;
  int64_t full_;  // windows of full length
  int64_t rest_;  // labels that the shorter window scores; 0: there is none
};

}  // namespace adder
