// How well a model solves a task: held-out examples of one length, each seen from its start.
#pragma once
#include <functional>
#include <limits>

#include "framework/data/tasks/task_data.h"
#include "framework/nn/model.h"

namespace adder {

struct TaskEvaluationOptions {
  int64_t examples = 256;
  uint64_t seed = 0;      // of the run: the examples' streams are apart from those of training
  int64_t window = 1024;  // positions at a time, the state going on, where the model's state is bounded
  std::function<bool()> stop = nullptr;  // asked before each pass; true: give up
  bool bf16_cache = false;               // Pass::bf16_cache
};

struct TaskEvaluation {
  bool complete = true;  // false: given up, the numbers are of a part only
  int64_t length = 0, examples = 0;
  int64_t scored = 0;  // labels
  double loss = 0;     // nats a scored token, or the mean squared error
  // Shares of the scored tokens whose likeliest id is right (of equals the lowest), and of the examples in which all
  // are; NaN where inputs are real.
  double token_accuracy = std::numeric_limits<double>::quiet_NaN();
  double sequence_accuracy = std::numeric_limits<double>::quiet_NaN();

  double metric(TaskMetric which) const;
};

// A model whose state grows with the text sees an example whole: at most this many positions.
inline constexpr int64_t kLongestWhole = 32768;
// UsageError where examples of that length are too long for such a model.
void require_evaluable(const Model& model, const Task& task, int64_t length);

// A model of bounded state sees examples window by window, so that its memory does not grow with their length (an
// example itself takes 8 bytes a position; with real inputs 4 more a feature). Sums run example by example and position
// by position.
TaskEvaluation evaluate_task(Model& model, const Task& task, int64_t length, const TaskEvaluationOptions& options);

}  // namespace adder
