#include "framework/cli/study_run.h"

#include <cmath>
#include <numeric>
#include <sstream>

#include "framework/cli/open_model.h"
#include "framework/cli/output.h"
#include "framework/cli/run_data.h"
#include "framework/cli/run_observer.h"
#include "framework/cli/run_task.h"
#include "framework/cli/training_run.h"
#include "framework/core/error.h"
#include "framework/inference/evaluate.h"
#include "framework/training/counting.h"

namespace adder {
namespace {

class Observer : public RunObserver {
 public:
  Observer(const TrainingRun& run, const std::function<bool()>& stop, const std::function<void(const StepReport&)>& on_step)
      : RunObserver(run, true, stop), on_step_(on_step) {}
  void on_step(const StepReport& report) override { on_step_(report); }
  void on_evaluation(int64_t, const EvaluationSummary&, bool) override {}

 private:
  const std::function<void(const StepReport&)>& on_step_;
};

// The mean loss of each evaluation window; the first has one token less to score where windows overlap, the last may be short.
JsonValue windows_of(const std::vector<double>& losses, int64_t window) {
  JsonValue list = JsonValue::array();
  for (size_t start = 0; start < losses.size(); start += size_t(window)) {
    const size_t end = std::min(losses.size(), start + size_t(window));
    double sum = 0;
    for (size_t i = start; i < end; ++i) sum += losses[i];
    list.push(sum / double(end - start));
  }
  return list;
}

bool add_loss(Model& model, const TrainingRun& run, const std::function<bool()>& stop, JsonValue& result) {
  const bool test = run.test.size() >= 2;
  const TokenSpan& tokens = test ? run.test : run.validation;
  if (tokens.size() < 2) return true;
  const Config& c = run.config;
  EvaluationOptions options{.window = c.evaluation_window(), .stride = c.evaluation_stride()};
  std::vector<double> losses;
  options.carry = c.evaluation.state == "carry", options.stop = stop, options.token_losses = &losses;
  const Evaluation e = evaluate(model, tokens, options, run.tokenizer.get());
  if (!e.complete) return false;
  result.set("split", test ? "test" : "validation");
  result.set("tokens", e.tokens);
  result.set("loss", e.loss());
  if (run.source) {
    if (const auto rate = run.source->entropy_rate()) result.set("entropy_rate", *rate);
    const std::vector<double> own = run.source->losses(tokens);
    result.set("source_loss", std::accumulate(own.begin() + 1, own.end(), 0.0) / double(own.size() - 1));
  }
  result.set("windows", windows_of(losses, c.evaluation_window()));
  return true;
}

bool add_task(Trainer& trainer, const TrainingRun& run, const std::function<bool()>& stop, JsonValue& result) {
  const TaskConfig& task = run.config.data.task;
  if (!task.given()) return true;
  const auto lengths = task.lengths();
  const auto scores = evaluate_lengths(trainer.model(), run.config, lengths, stop);
  if (scores.size() != lengths.size()) return false;
  JsonValue table = JsonValue::object();
  for (const TaskEvaluation& e : scores) {
    if (e.length == task.goal_length()) table.set("solved", int64_t(is_solved(task, e)));
    if (!std::isnan(e.token_accuracy)) table.set("accuracy@" + std::to_string(e.length), e.token_accuracy);
  }
  if (trainer.solved_step() >= 0) table.set("steps", trainer.solved_step());
  result.set("task", std::move(table));
  return true;
}

// Of the first batch, before the first step.
double initial_loss(const TrainingRun& run) {
  const Batch batch = run.batches->at(0);
  Pass pass;
  State state;
  return mean_loss(run.model->forward(pass, {batch.ids, batch.resets, batch.features}, state), batch).value().item(0);
}

JsonValue curve_of(const RunFolder& folder) {
  JsonValue curve = JsonValue::array();
  std::istringstream lines(read_text_file(folder.metrics_path()));
  for (std::string line; std::getline(lines, line);) {
    const JsonValue metrics = parse_json(line, folder.metrics_path());
    const JsonValue *step = metrics.find("step"), *loss = metrics.find("eval/loss");
    if (!step || !loss) continue;
    JsonValue point = JsonValue::array();
    point.push(*step), point.push(*loss);
    curve.push(std::move(point));
  }
  return curve;
}

std::optional<JsonValue> count(TrainingRun& run, const RunFolder& folder, const std::function<bool()>& stop) {
  CountingRun counting(dynamic_cast<CountingModel&>(*run.model), run.config, folder, run.identity);
  counting.resume(warn);
  RunObserver observer(run, true, stop);
  folder.write_config(to_json(run.config));
  const bool done = counting.counted() && (run.validation.size() < 2 || !counting.evaluation_is_missing());
  if (!done && counting.run(run.train, [&](Model& m) { return observer.evaluate(m); }, [](const EvaluationSummary&) {}, stop) != Outcome::finished)
    return std::nullopt;
  JsonValue result = JsonValue::object();
  if (!add_loss(*run.model, run, stop, result)) return std::nullopt;
  return result;
}

}  // namespace

std::optional<JsonValue> study_run(const Config& config, const std::string& path, const ModelFactory& factory,
                                   const std::function<bool()>& stop, const std::function<void(const StepReport&)>& on_step) {
  const RunFolder folder(path);
  TrainingRun run = prepare_run(config, folder, true, factory);
  if (!run.model->differentiable()) return count(run, folder, stop);
  JsonValue result = JsonValue::object();
  if (run.config.initialize.from.empty()) result.set("initial_loss", initial_loss(run));
  Trainer trainer(run.config, std::move(run.model), *run.batches);
  resume(trainer, folder, run.identity, warn);
  folder.write_config(to_json(run.config));
  Observer observer(run, stop, on_step);
  try {
    if (train(trainer, folder, run.identity, observer, stop) != Outcome::finished || stop()) return std::nullopt;
  } catch (const DivergedError& problem) {
    result.set("failed", problem.what());
    result.set("curve", curve_of(folder));
    return result;
  }
  if (!add_loss(trainer.model(), run, stop, result) || !add_task(trainer, run, stop, result)) return std::nullopt;
  result.set("curve", curve_of(folder));
  return result;
}

std::optional<studies::Reread> study_rereading(const studies::Measure& measure, const std::string& folder, const ModelFactory& factory,
                                               const std::function<bool()>& stop) {
  const LoadedModel loaded = open_model({folder}, factory);
  const Config& c = loaded.config;
  const TokenDataset data = load_text(c, c.training.context_length, loaded.tokenizer, loaded.path).data;
  return measure.of_trained({c, *loaded.model, data.test.size() >= 2 ? data.test : data.validation, stop});
}

}  // namespace adder
