#include "framework/inference/evaluate_task.h"

#include <algorithm>
#include <vector>

#include "framework/core/error.h"
#include "framework/ops/cross_entropy.h"
#include "framework/ops/squared_error.h"

namespace adder {
namespace {

struct Score {
  double loss = 0;
  int64_t scored = 0, right = 0;
};

Tensor piece(const Tensor& t, int64_t first, int64_t length) {
  return t.defined() ? t.narrow(1, first, length).clone() : Tensor();
}

Batch piece(const Batch& batch, int64_t first, int64_t length) {
  const auto of = [&](const Tensor& t) { return piece(t, first, length); };
  return {of(batch.ids), of(batch.labels), of(batch.resets), of(batch.features), of(batch.targets)};
}

template <class T>
int32_t likeliest(const T* logits, int64_t vocabulary) {
  return int32_t(std::max_element(logits, logits + vocabulary) - logits);
}

int32_t likeliest(const Tensor& logits, int64_t row) {
  const int64_t vocabulary = logits.dim(-1);
  return by_dtype(logits.dtype(), [&](auto zero) {
    return likeliest(logits.data<decltype(zero)>() + row * vocabulary, vocabulary);
  });
}

// Adds what one stretch of the rows says to their scores.
void add(const Tensor& output, const Batch& batch, std::vector<Score>& scores) {
  const bool real = batch.targets.defined();
  const Tensor losses = real ? ops::squared_errors(output, batch.targets, batch.labels)
                             : ops::token_losses(output, batch.labels);
  const Tensor logits = output.contiguous() ? output : output.clone();
  const int64_t length = batch.labels.dim(1);
  for (int64_t i = 0; i < batch.labels.size(); ++i) {
    const int32_t label = batch.labels.data<int32_t>()[i];
    if (label == kIgnoreLabel) continue;
    Score& score = scores[size_t(i / length)];
    ++score.scored;
    score.loss += losses.data<double>()[i];
    if (!real) score.right += likeliest(logits, i) == label;
  }
}

// Rows at a time: they change speed and memory, not a bit of the result.
int64_t rows_at_once(const Model& model, int64_t window, int64_t positions) {
  constexpr int64_t kNumbers = 1 << 22, kWidth = 256;  // of logits, or what a layer of usual width holds
  constexpr int64_t kPositions = 1 << 24;              // of the examples themselves
  const int64_t rows = kNumbers / (window * std::max(model.vocabulary(), kWidth));
  return std::clamp<int64_t>(std::min(rows, kPositions / positions), 1, 64);
}

}  // namespace

double TaskEvaluation::metric(TaskMetric which) const {
  switch (which) {
    case TaskMetric::token_accuracy: return token_accuracy;
    case TaskMetric::sequence_accuracy: return sequence_accuracy;
    case TaskMetric::loss: return loss;
  }
  return loss;
}

void require_evaluable(const Model& model, const Task& task, int64_t length) {
  if (model.bounded_state() || task.positions(length) <= kLongestWhole) return;
  throw UsageError("examples of length " + std::to_string(length) + " have " + std::to_string(task.positions(length)) +
                   " positions, but a model whose state grows with the text (attention, learned positions) sees them whole: at "
                   "most " +
                   std::to_string(kLongestWhole) + "; leave the length out of data.task.evaluation_lengths, or set model.window");
}

TaskEvaluation evaluate_task(Model& model, const Task& task, int64_t length, const TaskEvaluationOptions& options) {
  require_evaluable(model, task, length);
  if (options.examples < 1 || options.window < 1)
    throw UsageError("task evaluation: " + std::to_string(options.examples) + " examples, windows of " +
                     std::to_string(options.window) + ": expected 1 or more of each");
  const int64_t positions = task.positions(length);
  const int64_t window = model.bounded_state() ? std::min(options.window, positions) : positions;
  const int64_t rows = rows_at_once(model, window, positions);
  TaskEvaluation result;
  result.length = length;
  int64_t right = 0, all_right = 0;
  for (int64_t first = 0; first < options.examples && result.complete; first += rows) {
    const Batch batch =
        evaluation_examples(task, options.seed, length, first, std::min(rows, options.examples - first));
    std::vector<Score> scores(size_t(batch.labels.dim(0)));
    State state;
    for (int64_t start = 0; start < positions; start += window) {
      if (options.stop && options.stop()) {
        result.complete = false;
        break;
      }
      const Batch now = piece(batch, start, std::min(window, positions - start));
      Pass pass{.bf16_cache = options.bf16_cache};
      add(model.forward(pass, {now.ids, now.resets, now.features}, state).value(), now, scores);
    }
    for (const Score& score : scores) {
      result.loss += score.loss, result.scored += score.scored;
      right += score.right, all_right += score.right == score.scored;
      ++result.examples;
    }
  }
  result.loss /= double(result.scored);
  if (task.real()) return result;
  result.token_accuracy = double(right) / double(result.scored);
  result.sequence_accuracy = double(all_right) / double(result.examples);
  return result;
}

}  // namespace adder
