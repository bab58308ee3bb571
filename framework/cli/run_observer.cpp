#include "framework/cli/run_observer.h"

#include <algorithm>
#include <cmath>

#include "framework/cli/output.h"
#include "framework/inference/evaluate.h"
#include "framework/inference/excess.h"
#include "framework/training/metrics.h"

namespace adder {
namespace {

int64_t tokens_per_step(const TrainingRun& run) {
  return run.batches->batch_size() * run.batches->length() * run.config.training.accumulate;
}

// Which tokens an evaluation saw, and how: no loss is told without it.
std::string scope(const TrainingRun& run, double tokens) {
  const Config& c = run.config;
  std::string text = "the " + with_commas(int64_t(tokens)) + " validation tokens after the first";
  if (run.validation.documents_marked()) text += " of each document";
  text += ", windows of " + std::to_string(c.evaluation_window());
  if (c.evaluation.state == "carry") return text + ", state carried from one to the next";
  return text + ", stride " + std::to_string(c.evaluation_stride());
}

// What the validation text's source lost on the scored tokens.
void add_floor(const Floor& floor, const std::vector<double>& losses, Metrics& metrics) {
  if (floor.validation.empty()) return;
  const Excess excess = excess_over(std::span(floor.validation).subspan(1), losses);
  metrics.insert(metrics.end(), {{"eval/floor", excess.floor},
                                 {"eval/excess", excess.mean},
                                 {"eval/excess_standard_error", excess.standard_error}});
}

// ", the floor is 1.8409, the excess 0.0123 +- 0.0006", or nothing.
std::string beside_floor(const EvaluationSummary& summary) {
  const double floor = metric(summary, "eval/floor");
  if (std::isnan(floor)) return "";
  return ", floor " + decimals(floor, 4) + ", excess " + decimals(metric(summary, "eval/excess"), 5) +
         " (standard error " + significant(metric(summary, "eval/excess_standard_error"), 2) + ")";
}

}  // namespace

double metric(const EvaluationSummary& summary, const std::string& name) {
  for (const auto& [key, value] : summary.metrics)
    if (key == name) return value;
  return std::nan("");
}

void add_evaluation(const EvaluationSummary& summary, JsonValue& result) {
  result.set("eval_loss", summary.loss);
  for (const char* name : {"floor", "excess", "excess_standard_error"})
    if (const double value = metric(summary, std::string("eval/") + name); !std::isnan(value))
      result.set(std::string("eval_") + name, value);
}

RunObserver::RunObserver(const TrainingRun& run, bool quiet, std::function<bool()> stop)
    : run_(run),
      stop_(std::move(stop)),
      progress_(run.config.training.steps, tokens_per_step(run), run.config.logging.every, quiet, run.floor.mean) {}

void RunObserver::on_start(const Trainer&, int64_t first_step) {
  if (run_.config.logging.tensorboard && !events_folder_.empty()) events_.emplace(events_folder_, first_step + 1);
}

void RunObserver::on_metrics(int64_t step, const Metrics& metrics, const Histograms& histograms) {
  if (events_) events_->write(step, metrics, histograms);
}

void RunObserver::on_step(const StepReport& report) {
  last_step_ = report;
  peak_bytes_ = std::max(peak_bytes_, arena::peak_bytes_in_use());
  for (const std::string& text : report.readings.warnings()) {
    if (!warned_.insert(text).second) continue;
    progress_.clear();
    warn("step " + std::to_string(report.step) + ": " + text);
  }
  progress_.step(report);
}

void RunObserver::on_guard(int64_t, const std::string& what) {
  progress_.clear();
  warn(what);
}

std::optional<EvaluationSummary> RunObserver::evaluate(Trainer& trainer) {
  return run_.config.data.task.given() ? evaluate_task(trainer) : evaluate(trainer.model());
}

std::optional<EvaluationSummary> RunObserver::evaluate_task(Trainer& trainer) {
  progress_.busy("evaluating …");
  const auto scores = evaluate_run(trainer, stop_);
  if (!scores) return std::nullopt;
  last_scores_ = scores;
  last_evaluation_ = summary_of(run_.config.data.task, *scores);
  return last_evaluation_;
}

std::optional<EvaluationSummary> RunObserver::evaluate(Model& model) {
  if (run_.validation.size() < 2) return std::nullopt;
  progress_.busy("evaluating …");
  const Config& c = run_.config;
  EvaluationOptions options{.window = c.evaluation_window(), .stride = c.evaluation_stride()};
  std::vector<double> losses;
  options.carry = c.evaluation.state == "carry", options.stop = stop_;
  options.token_losses = &losses;
  const Evaluation result = adder::evaluate(model, run_.validation, options, run_.tokenizer.get());
  if (!result.complete) return std::nullopt;
  EvaluationSummary summary;
  summary.loss = result.loss();
  summary.metrics = {{"eval/loss", result.loss()},
                     {"eval/perplexity", result.perplexity()}};
  if (result.bytes > 0) summary.metrics.emplace_back("eval/bits_per_byte", result.bits_per_byte());
  summary.metrics.emplace_back("eval/tokens", double(result.tokens));
  add_floor(run_.floor, losses, summary.metrics);
  if (c.evaluation.random_windows > 0) {
    const WindowOptions windows{c.training.batch_size, c.training.context_length};
    summary.metrics.emplace_back("eval/random_window_loss",
                                 random_window_loss(model, run_.validation, windows,
                                                    c.evaluation.random_windows, uint64_t(c.seed)));
  }
  last_evaluation_ = summary;
  arena::reset_peak();
  return summary;
}

void RunObserver::on_evaluation(int64_t step, const EvaluationSummary& summary, bool best) {
  const std::string at = "evaluation at step " + std::to_string(step) + ": ";
  if (run_.config.data.task.given()) {
    progress_.note(at + shown(*last_scores_));
    return;
  }
  const double bits = metric(summary, "eval/bits_per_byte");
  std::string line = at + decimals(summary.loss, 4) +
                     " nats a token" + beside_floor(summary) + ", perplexity " +
                     significant(metric(summary, "eval/perplexity"), 5) +
                     (std::isnan(bits) ? "" : ", " + decimals(bits, 4) + " bits a byte") +
                     (best ? ", the best so far" : "") + " (" + scope(run_, metric(summary, "eval/tokens")) + ")";
  const double estimate = metric(summary, "eval/random_window_loss");
  if (!std::isnan(estimate))
    line += "; random windows, " + std::to_string(run_.config.evaluation.random_windows) +
            " batches: " + decimals(estimate, 4);
  progress_.note(line);
}

void RunObserver::on_checkpoint(int64_t, const std::string& path) {
  last_checkpoint_ = path;
  if (events_) events_->sync();
  arena::reset_peak();
}

}  // namespace adder
