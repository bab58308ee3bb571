#include "framework/cli/run_task.h"

#include <algorithm>
#include <cmath>

#include "framework/cli/output.h"
#include "framework/training/metrics.h"

namespace adder {
namespace {

std::string words(TaskMetric metric) {
  std::string text = name(metric);
  for (char& c : text)
    if (c == '_') c = ' ';
  return text;
}

std::string unit(const Task& task) { return task.real() ? "mean squared error" : "nats a scored token"; }

std::string shown_length(const Task& task) {
  const std::string longest = std::to_string(task.length);
  return task.min_length && task.min_length < task.length
             ? "lengths " + std::to_string(task.min_length) + " to " + longest
             : "length " + longest;
}

void add_metrics(const TaskEvaluation& e, const std::string& suffix, Metrics& metrics) {
  metrics.emplace_back("eval/loss" + suffix, e.loss);
  if (std::isnan(e.token_accuracy)) return;
  metrics.emplace_back("eval/token_accuracy" + suffix, e.token_accuracy);
  metrics.emplace_back("eval/sequence_accuracy" + suffix, e.sequence_accuracy);
}

// The lengths that have not been evaluated yet.
std::vector<int64_t> others(const TaskConfig& config, const std::vector<TaskEvaluation>& done) {
  std::vector<int64_t> left;
  for (const int64_t length : config.lengths()) {
    bool known = false;
    for (const TaskEvaluation& e : done) known |= e.length == length;
    if (!known) left.push_back(length);
  }
  return left;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> task_rows(const TaskConfig& config) {
  const Task& task = task_of(config);
  const TaskFacts facts = task.facts(task.length);
  std::string baseline = facts.baseline + ": " + significant(facts.baseline_loss, 4) + " " + unit(task);
  if (!std::isnan(facts.chance)) baseline += ", token accuracy " + significant(facts.chance, 4);
  const bool loss = facts.metric == TaskMetric::loss;
  return {{"task", config.name + ", " + shown_length(task) + ", " +
                       (config.examples ? with_commas(config.examples) + " examples over and over" : "fresh examples") +
                       "; held out " + with_commas(config.evaluation_examples)},
          {"baseline", baseline},
          {"solved", "at a " + words(facts.metric) + " of " + significant(config.threshold, 4) +
                         (loss ? " or less" : " or more") + ", length " + std::to_string(config.goal_length())}};
}

void require_evaluable(const Model& model, const TaskConfig& config, const std::vector<int64_t>& lengths) {
  for (const int64_t length : lengths) require_evaluable(model, task_of(config), length);
}

bool is_solved(const TaskConfig& config, const TaskEvaluation& at_goal_length) {
  const Task& task = task_of(config);
  return task.reached(at_goal_length.metric(task.facts(at_goal_length.length).metric), config.threshold);
}

std::vector<TaskEvaluation> evaluate_lengths(Model& model, const Config& config, const std::vector<int64_t>& lengths,
                                             const std::function<bool()>& stop, bool bf16_cache) {
  const TaskConfig& c = config.data.task;
  TaskEvaluationOptions options;
  options.examples = c.evaluation_examples, options.seed = uint64_t(config.seed), options.stop = stop;
  options.bf16_cache = bf16_cache;
  std::vector<TaskEvaluation> results;
  for (const int64_t length : lengths) {
    results.push_back(evaluate_task(model, task_of(c), length, options));
    if (results.back().complete) continue;
    results.pop_back();
    break;
  }
  return results;
}

std::optional<TaskScores> evaluate_run(Trainer& trainer, const std::function<bool()>& stop) {
  const Config& config = trainer.config();
  const TaskConfig& c = config.data.task;
  std::vector<int64_t> lengths = {c.options->length};
  if (c.goal_length() != lengths[0]) lengths.push_back(c.goal_length());
  TaskScores scores;
  const auto evaluated = [&] {
    const auto more = evaluate_lengths(trainer.model(), config, lengths, stop);
    scores.lengths.insert(scores.lengths.end(), more.begin(), more.end());
    return more.size() == lengths.size();
  };
  if (!evaluated()) return std::nullopt;
  scores.solved = is_solved(c, scores.lengths.back());
  const bool last = trainer.steps_done() >= config.training.steps || (scores.solved && config.evaluation.stop_when_solved);
  lengths = last ? others(c, scores.lengths) : std::vector<int64_t>();
  if (!evaluated()) return std::nullopt;
  std::sort(scores.lengths.begin() + 1, scores.lengths.end(), [](const auto& a, const auto& b) { return a.length < b.length; });
  return scores;
}

EvaluationSummary summary_of(const TaskConfig& config, const TaskScores& scores) {
  EvaluationSummary summary;
  summary.loss = scores.lengths[0].loss;
  summary.solved = scores.solved;
  for (size_t i = 0; i < scores.lengths.size(); ++i)
    add_metrics(scores.lengths[i], i ? "@" + std::to_string(scores.lengths[i].length) : "", summary.metrics);
  const TaskFacts facts = task_of(config).facts(config.options->length);
  summary.metrics.emplace_back("eval/solved", scores.solved);
  if (!std::isnan(facts.chance)) summary.metrics.emplace_back("task/chance", facts.chance);
  summary.metrics.emplace_back("task/baseline_loss", facts.baseline_loss);
  summary.metrics.emplace_back("task/threshold", config.threshold);
  return summary;
}

JsonValue lengths_json(const TaskConfig& config, const std::vector<TaskEvaluation>& results) {
  JsonValue list = JsonValue::array();
  for (const TaskEvaluation& e : results) {
    JsonValue row = JsonValue::object();
    row.set("length", e.length);
    row.set("examples", e.examples);
    row.set("loss", e.loss);
    if (!std::isnan(e.token_accuracy)) {
      row.set("token_accuracy", e.token_accuracy);
      row.set("sequence_accuracy", e.sequence_accuracy);
    }
    if (e.length == config.goal_length()) row.set("solved", is_solved(config, e));
    list.push(std::move(row));
  }
  return list;
}

std::string shown(const TaskScores& scores) {
  std::string text;
  for (const TaskEvaluation& e : scores.lengths) {
    text += (text.empty() ? "" : "; ") + ("length " + std::to_string(e.length)) + ": ";
    if (!std::isnan(e.token_accuracy))
      text += "token accuracy " + decimals(e.token_accuracy, 4) + ", sequence accuracy " + decimals(e.sequence_accuracy, 4) + ", ";
    text += "loss " + significant(e.loss, 4);
  }
  return text + (scores.solved ? "; solved" : "");
}

}  // namespace adder
