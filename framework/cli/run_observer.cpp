#include "framework/cli/run_observer.h"

#include <cmath>

#include "framework/cli/output.h"
#include "framework/inference/evaluate.h"

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

double metric(const EvaluationSummary& summary, const std::string& name) {
  for (const auto& [key, value] : summary.metrics)
    if (key == name) return value;
  return std::nan("");
}

}  // namespace

RunObserver::RunObserver(const TrainingRun& run, bool quiet, std::function<bool()> stop)
    : run_(run),
      stop_(std::move(stop)),
      progress_(run.config.training.steps, tokens_per_step(run), run.config.logging.every, quiet) {}

void RunObserver::on_step(const StepReport& report) {
  last_step_ = report;
  for (const std::string& text : report.readings.warnings()) {
    if (!warned_.insert(text).second) continue;
    progress_.clear();
    warn("step " + std::to_string(report.step) + ": " + text);
  }
  progress_.step(report);
}

std::optional<EvaluationSummary> RunObserver::evaluate(Trainer& trainer) {
  if (run_.validation.size() < 2) return std::nullopt;
  progress_.busy("evaluating …");
  const Config& c = run_.config;
  EvaluationOptions options{.window = c.evaluation_window(), .stride = c.evaluation_stride()};
  options.carry = c.evaluation.state == "carry", options.stop = stop_;
  const Evaluation result = adder::evaluate(trainer.model(), run_.validation, options, run_.tokenizer.get());
  if (!result.complete) return std::nullopt;
  EvaluationSummary summary;
  summary.loss = result.loss();
  summary.metrics = {{"eval/loss", result.loss()},
                     {"eval/perplexity", result.perplexity()},
                     {"eval/bits_per_byte", result.bits_per_byte()},
                     {"eval/tokens", double(result.tokens)}};
  if (c.evaluation.random_windows > 0) {
    const WindowOptions windows{c.training.batch_size, c.training.context_length};
    summary.metrics.emplace_back("eval/random_window_loss",
                                 random_window_loss(trainer.model(), run_.validation, windows,
                                                    c.evaluation.random_windows, uint64_t(c.seed)));
  }
  last_evaluation_ = summary.loss;
  return summary;
}

void RunObserver::on_evaluation(int64_t step, const EvaluationSummary& summary, bool best) {
  std::string line = "evaluation at step " + std::to_string(step) + ": " + decimals(summary.loss, 4) +
                     " nats a token, perplexity " + significant(metric(summary, "eval/perplexity"), 5) +
                     ", " + decimals(metric(summary, "eval/bits_per_byte"), 4) + " bits a byte" +
                     (best ? ", the best so far" : "") + " (" + scope(run_, metric(summary, "eval/tokens")) + ")";
  const double estimate = metric(summary, "eval/random_window_loss");
  if (!std::isnan(estimate))
    line += "; random windows, " + std::to_string(run_.config.evaluation.random_windows) +
            " batches: " + decimals(estimate, 4);
  progress_.note(line);
}

void RunObserver::on_checkpoint(int64_t, const std::string& path) { last_checkpoint_ = path; }

}  // namespace adder
