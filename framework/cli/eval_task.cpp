#include "framework/cli/eval_task.h"

#include <cmath>
#include <limits>

#include "framework/cli/open_model.h"
#include "framework/cli/output.h"
#include "framework/cli/run_task.h"
#include "framework/core/error.h"

namespace adder {
namespace {

// The config's, or those that were asked for, whose examples must be possible.
std::vector<int64_t> lengths_of(const TaskConfig& task, const EvalTaskOptions& options) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();  // as the config's lengths
  for (const int64_t length : options.lengths) {
    const bool in_range = length >= 1 && length <= kMost;
    const std::string problem =
        in_range ? task.options->problem(length) : "expected at least 1 and at most " + std::to_string(kMost);
    if (!problem.empty()) throw UsageError("--length " + std::to_string(length) + ": " + problem);
  }
  return options.lengths.empty() ? task.lengths() : options.lengths;
}

JsonValue result_json(const LoadedModel& loaded, const std::vector<TaskEvaluation>& results) {
  const TaskConfig& c = loaded.config.data.task;
  const Task& task = task_of(c);
  const TaskFacts facts = task.facts(task.length);
  JsonValue result = describe(loaded);
  result.set("task", c.name);
  result.set("threshold", c.threshold);
  result.set("threshold_metric", name(facts.metric));
  result.set("threshold_length", c.goal_length());
  if (loaded.checkpoint.solved_step >= 0) result.set("solved_step", loaded.checkpoint.solved_step);
  result.set("baseline_loss", facts.baseline_loss);
  if (!std::isnan(facts.chance)) result.set("chance", facts.chance);
  result.set("lengths", lengths_json(c, results));
  return result;
}

void print_text(const LoadedModel& loaded, const std::vector<TaskEvaluation>& results) {
  const TaskConfig& c = loaded.config.data.task;
  std::vector<std::pair<std::string, std::string>> facts = {{"checkpoint", shown_checkpoint(loaded)}};
  for (auto& row : task_rows(c)) facts.push_back(std::move(row));
  const int64_t solved = loaded.checkpoint.solved_step;
  facts.emplace_back("", solved < 0 ? "not up to now" : "first at step " + with_commas(solved));
  print(aligned(facts) + "\n");
  const bool real = task_of(c).real();
  std::vector<std::string> heads = {"length", "examples", "loss", "baseline"};
  if (!real) heads.insert(heads.end(), {"token accuracy", "chance", "sequence accuracy"});
  std::vector<std::vector<std::string>> rows;
  for (const TaskEvaluation& e : results) {
    const TaskFacts at = task_of(c).facts(e.length);
    rows.push_back({with_commas(e.length), with_commas(e.examples), significant(e.loss, 4), significant(at.baseline_loss, 4)});
    if (!real)
      rows.back().insert(rows.back().end(), {decimals(e.token_accuracy, 4), decimals(at.chance, 4),
                                             decimals(e.sequence_accuracy, 4)});
  }
  print(table(heads, rows, 0));
}

}  // namespace

void eval_task(LoadedModel& loaded, const EvalTaskOptions& options) {
  Config config = loaded.config;
  const std::vector<int64_t> lengths = lengths_of(config.data.task, options);
  require_evaluable(*loaded.model, config.data.task, lengths);
  if (options.examples > 0) config.data.task.evaluation_examples = options.examples;
  const auto results = evaluate_lengths(*loaded.model, config, lengths, nullptr, options.bf16_cache);
  if (options.json)
    print_json(result_json(loaded, results));
  else
    print_text(loaded, results);
}

}  // namespace adder
