#include "framework/training/counting.h"

#include <chrono>
#include <cmath>
#include <filesystem>

#include "framework/training/metrics.h"

namespace adder {
namespace {
constexpr int64_t kStep = 1;  // the only one
}

bool CountingRun::resume(const Warn& warn) {
  const auto latest = find_resumable(folder_.path(), warn);
  if (!latest) {
    folder_.cut_metrics(0, warn);
    return false;
  }
  const Checkpoint c = read_checkpoint(latest->path);
  require_same_data(c, latest->path, identity_);
  model_.set_counts(c.counts, latest->path);
  folder_.cut_metrics(kStep, warn);
  tokens_ = c.tokens;
  best_ = {c.best_loss, c.best_step};
  return true;
}

bool CountingRun::evaluation_is_missing() const { return counted() && !folder_.has_metric(kStep, "eval/loss"); }

bool CountingRun::count(const TokenSpan& text, const std::function<bool()>& stop) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<int32_t> tokens(size_t(text.size()));
  text.copy(0, text.size(), tokens.data());
  if (!model_.count(tokens, text.document_starts(0, text.size()), stop)) return false;
  tokens_ = text.size();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  MetricsWriter(folder_.metrics_path()).write(kStep, {{"tokens", double(tokens_)}, {"seconds", seconds}});
  return true;
}

Outcome CountingRun::run(const TokenSpan& text, const Evaluate& evaluate, const Evaluated& evaluated,
                         const std::function<bool()>& stop) {
  const bool fresh = !counted();
  if (fresh && !count(text, stop)) return Outcome::stopped;
  const auto summary = evaluate(model_);
  if (summary) {
    MetricsWriter metrics(folder_.metrics_path());
    metrics.write(kStep, summary->metrics);
    metrics.sync();
    best_ = {summary->loss, kStep};
    evaluated(*summary);
  }
  if (fresh || summary) save();
  return stop() && evaluation_is_missing() ? Outcome::stopped : Outcome::finished;
}

void CountingRun::save() {
  Checkpoint c;
  c.counts = model_.counts();
  c.step = c.data_cursor = kStep;
  c.tokens = tokens_;
  c.best_loss = best_.loss, c.best_step = best_.step;
  c.config_json = to_json(config_);
  c.tokenizer_json = identity_.tokenizer_json;
  c.data_hash = identity_.data_hash;
  c.attributes = identity_.attributes;
  write_checkpoint(folder_.checkpoint_path(kStep), c);
  if (config_.checkpoint.keep_best && best_.step == kStep) folder_.mark_best(kStep);
}

}  // namespace adder
