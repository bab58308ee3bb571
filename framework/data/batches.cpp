#include "framework/data/batches.h"

#include <algorithm>

#include "framework/core/error.h"
#include "framework/core/random.h"
#include "framework/data/hdf5.h"

namespace adder {
namespace {

Batch empty_batch(int64_t rows, int64_t length) {
  return {Tensor::empty({rows, length}, DType::i32), Tensor::empty({rows, length}, DType::i32)};
}

void set_reset(Batch& batch, int64_t i) {
  if (!batch.resets.defined()) batch.resets = Tensor::zeros(batch.ids.shape(), DType::i32);
  batch.resets.data<int32_t>()[i] = 1;
}

// Row `row` of the batch holds `length` tokens from `start` on, and as labels those one further, but for the
// first tokens of documents.
void fill(Batch& batch, int64_t row, const TokenSpan& tokens, int64_t start) {
  const int64_t length = batch.ids.dim(1);
  tokens.copy(start, length, batch.ids.data<int32_t>() + row * length);
  tokens.copy(start + 1, length, batch.labels.data<int32_t>() + row * length);
  for (const int64_t at : tokens.document_starts(start, length + 1)) {
    if (at < length) set_reset(batch, row * length + at);
    if (at > 0) batch.labels.data<int32_t>()[row * length + at - 1] = kIgnoreLabel;
  }
}

void check(const TokenSpan& tokens, const WindowOptions& options) {
  if (options.batch_size < 1 || options.context_length < 1 || options.accumulate < 1)
    throw UsageError("training.batch_size " + std::to_string(options.batch_size) +
                     ", training.context_length " + std::to_string(options.context_length) +
                     ", training.accumulate " + std::to_string(options.accumulate) +
                     ": expected 1 or more of each");
  if (tokens.size() <= options.context_length)
    throw UnreadableError("the text has " + std::to_string(tokens.size()) +
                          " tokens, expected at least training.context_length + 1 = " +
                          std::to_string(options.context_length + 1));
}

}  // namespace

bool BatchSource::continues(int64_t, int64_t) const { return false; }

// ---- random -----------------------------------------------------------------------------------------------

RandomWindows::RandomWindows(TokenSpan tokens, const WindowOptions& options, uint64_t seed, std::string purpose)
    : tokens_(std::move(tokens)), options_(options), seed_(seed), purpose_(std::move(purpose)) {
  check(tokens_, options_);
}

Batch RandomWindows::at(int64_t step, int64_t micro) const {
  const Random random(seed_, purpose_, uint64_t(step), uint64_t(micro));
  Batch batch = empty_batch(options_.batch_size, options_.context_length);
  for (int64_t row = 0; row < options_.batch_size; ++row)
    fill(batch, row, tokens_,
         int64_t(random.below(uint64_t(row), uint64_t(tokens_.size() - options_.context_length))));
  return batch;
}

// ---- sequential -------------------------------------------------------------------------------------------

SequentialWindows::SequentialWindows(TokenSpan tokens, const WindowOptions& options, bool streams)
    : tokens_(std::move(tokens)), options_(options), streams_(streams),
      windows_((tokens_.size() - 1) / std::max<int64_t>(options.context_length, 1)) {
  check(tokens_, options_);
  if (streams_ && windows_ < options_.batch_size)
    throw UnreadableError("the text has " + std::to_string(windows_) + " windows of " +
                          std::to_string(options_.context_length) + " tokens, expected one a row at least (" +
                          std::to_string(options_.batch_size) + "); make training.batch_size smaller");
}

Batch SequentialWindows::at(int64_t step, int64_t micro) const {
  const int64_t index = step * options_.accumulate + micro;
  const int64_t stretch = windows_ / options_.batch_size;  // windows a row, where each row has its own
  Batch batch = empty_batch(options_.batch_size, options_.context_length);
  for (int64_t row = 0; row < options_.batch_size; ++row) {
    const int64_t window =
        streams_ ? row * stretch + index % stretch : (index * options_.batch_size + row) % windows_;
    fill(batch, row, tokens_, window * options_.context_length);
  }
  return batch;
}

bool SequentialWindows::continues(int64_t step, int64_t micro) const {
  const int64_t index = step * options_.accumulate + micro;
  return streams_ && index % (windows_ / options_.batch_size) != 0;
}

// ---- from a file ------------------------------------------------------------------------------------------
namespace {

// Refuses the first value outside [0, vocabulary).
void check_ids(const std::string& where, const Tensor& ids, int64_t vocabulary, bool ignore_allowed) {
  const int32_t* values = ids.data<int32_t>();
  for (int64_t i = 0; i < ids.size(); ++i) {
    const int32_t id = values[i];
    if ((id >= 0 && id < vocabulary) || (ignore_allowed && id == kIgnoreLabel)) continue;
    const int64_t row = i / ids.dim(2);
    throw UnreadableError(where + ": batch " + std::to_string(row / ids.dim(1)) + ", row " +
                          std::to_string(row % ids.dim(1)) + ", position " + std::to_string(i % ids.dim(2)) +
                          ": found " + std::to_string(id) + ", expected 0 to " +
                          std::to_string(vocabulary - 1) + (ignore_allowed ? " or -100" : ""));
  }
}

}  // namespace

FileBatches::FileBatches(const std::string& path, int64_t vocabulary, int64_t accumulate)
    : path_(path), accumulate_(accumulate) {
  if (accumulate < 1)
    throw UsageError("training.accumulate is " + std::to_string(accumulate) + ", expected 1 or more");
  const Hdf5File file = Hdf5File::open(path);
  ids_ = file.read("/input_ids");
  labels_ = file.read("/labels");
  for (const auto& [name, t] : {std::pair{"/input_ids", &ids_}, std::pair{"/labels", &labels_}})
    if (t->rank() != 3 || t->dtype() != DType::i32 || t->size() == 0)
      throw UnreadableError(path + ": dataset " + name + ": found " + file.describe(name).dtype + " " +
                            to_string(t->shape()) + ", expected integers [batches, rows, length]");
  if (labels_.shape() != ids_.shape())
    throw UnreadableError(path + ": dataset /labels: found shape " + to_string(labels_.shape()) +
                          ", expected that of /input_ids, " + to_string(ids_.shape()));
  check_ids(path + ": dataset /input_ids", ids_, vocabulary, false);
  check_ids(path + ": dataset /labels", labels_, vocabulary, true);
}

void FileBatches::require_steps(int64_t steps) const {
  if (steps * accumulate_ <= count()) return;
  throw UnreadableError(path_ + ": holds " + std::to_string(count()) + " batches, expected at least " +
                        std::to_string(steps * accumulate_) + " for " + std::to_string(steps) +
                        " steps; set training.steps to " + std::to_string(count() / accumulate_) + " or less");
}

Batch FileBatches::at(int64_t step, int64_t micro) const {
  const int64_t index = step * accumulate_ + micro;
  if (index < 0 || index >= count())
    throw UnreadableError(path_ + ": holds " + std::to_string(count()) + " batches, batch " +
                          std::to_string(index) + " (from 0) was asked for; set training.steps to " +
                          std::to_string(count() / accumulate_) + " or less");
  const Shape shape{batch_size(), length()};
  return {ids_.narrow(0, index, 1).reshape(shape).clone(), labels_.narrow(0, index, 1).reshape(shape).clone()};
}

// ---- evaluation -------------------------------------------------------------------------------------------

EvaluationWindows::EvaluationWindows(TokenSpan tokens, int64_t window, int64_t stride, int64_t batch_size)
    : tokens_(std::move(tokens)), window_(window), stride_(stride), batch_size_(batch_size) {
  if (window < 1 || batch_size < 1 || stride < 1 || stride > window)
    throw UsageError("evaluation window " + std::to_string(window) + ", stride " + std::to_string(stride) +
                     ", batch " + std::to_string(batch_size) +
                     ": expected 1 or more of each, and stride <= window");
  if (tokens_.size() < 2)
    throw UnreadableError("the text to evaluate has " + std::to_string(tokens_.size()) +
                          " tokens, expected 2 or more");
  const int64_t beyond = scored() - window;  // labels after the first full window
  full_ = beyond < 0 ? 0 : 1 + beyond / stride;
  rest_ = beyond < 0 ? scored() : beyond % stride;
}

int64_t EvaluationWindows::batches() const { return (full_ + batch_size_ - 1) / batch_size_ + (rest_ > 0); }

void EvaluationWindows::fill_row(Batch& batch, int64_t row, int64_t window) const {
  fill(batch, row, tokens_, window * stride_);
  const int64_t length = batch.ids.dim(1);
  const int64_t unscored = window == 0 ? 0 : window_ - stride_;
  std::fill_n(batch.labels.data<int32_t>() + row * length, unscored, kIgnoreLabel);
}

Batch EvaluationWindows::at(int64_t index) const {
  if (index < 0 || index >= batches())
    throw Error("[evaluation] batch " + std::to_string(index) + " of " + std::to_string(batches()));
  const int64_t first = index * batch_size_;
  if (first >= full_) {  // the shorter window
    Batch batch = empty_batch(1, scored() - full_ * stride_);
    fill_row(batch, 0, full_);
    return batch;
  }
  const int64_t rows = std::min(batch_size_, full_ - first);
  Batch batch = empty_batch(rows, window_);
  for (int64_t row = 0; row < rows; ++row) fill_row(batch, row, first + row);
  return batch;
}

}  // namespace adder
