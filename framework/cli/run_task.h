// A run on a task, as the command line shows and evaluates it: data.task of its config.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/config/config.h"
#include "framework/inference/evaluate_task.h"
#include "framework/training/trainer.h"

namespace adder {

// What is known before the first step, as rows of aligned(): the task, its baseline, when it counts as solved.
std::vector<std::pair<std::string, std::string>> task_rows(const TaskConfig& config);
// UsageError where the model can't see an example of one of these lengths.
void require_evaluable(const Model& model, const TaskConfig& config, const std::vector<int64_t>& lengths);

// One evaluation of each length, in their order; fewer where `stop` gave up.
std::vector<TaskEvaluation> evaluate_lengths(Model& model, const Config& config, const std::vector<int64_t>& lengths,
                                             const std::function<bool()>& stop = nullptr, bool bf16_cache = false);
bool is_solved(const TaskConfig& config, const TaskEvaluation& at_goal_length);

struct TaskScores {
  std::vector<TaskEvaluation> lengths;  // the training length first
  bool solved = false;
};
// During training: the training length and that where it is decided whether the task is solved; at the end all lengths.
// None where `stop` gave up.
std::optional<TaskScores> evaluate_run(Trainer& trainer, const std::function<bool()>& stop);

// Metrics: eval/loss, eval/token_accuracy, eval/sequence_accuracy of the training length, the same with @<length> of
// others, eval/solved (0 or 1), and task/chance, task/baseline_loss, task/threshold.
EvaluationSummary summary_of(const TaskConfig& config, const TaskScores& scores);

// A list of {length, examples, loss, token_accuracy, sequence_accuracy, solved}; solved where the length decides it.
JsonValue lengths_json(const TaskConfig& config, const std::vector<TaskEvaluation>& results);
// "length 16: token accuracy 0.9912, sequence accuracy 0.9531, loss 0.0312; length 64: …; solved"
std::string shown(const TaskScores& scores);

}  // namespace adder
