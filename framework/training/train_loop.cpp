// The loop of trainer.h. At a step: update, then evaluation, then checkpoint; so a checkpoint holds all that happened up
// to it, and a run resumed from it does nothing twice.
#include <cmath>

#include "framework/core/error.h"
#include "framework/training/metrics.h"
#include "framework/training/trainer.h"

namespace adder {
namespace {

struct Best {
  double loss = std::numeric_limits<double>::quiet_NaN();
  int64_t step = -1;
  bool improved_by(double other) const { return std::isfinite(other) && !(loss <= other); }
};

class Loop {
 public:
  Loop(Trainer& trainer, const RunFolder& run, const RunIdentity& identity, TrainingObserver& observer)
      : trainer_(trainer), config_(trainer.config()), run_(run), identity_(identity), observer_(observer),
        metrics_(run.metrics_path()) {}

  Outcome run(const std::function<bool()>& stop) {
    restore_best();
    const int64_t first = trainer_.steps_done();
    observer_.on_start(trainer_, first);
    while (trainer_.steps_done() < config_.training.steps) {
      const StepReport report = trainer_.step();
      const bool last = report.step == config_.training.steps;
      log(report, last);
      observer_.on_step(report);
      const bool best = due(report.step, config_.evaluation.every, last) && evaluate(report.step);
      const bool stopping = !last && stop();
      if (best || stopping || due(report.step, config_.checkpoint.every, last)) save(report.step, best);
      if (stopping) return Outcome::stopped;
    }
    return Outcome::finished;
  }

 private:
  static bool due(int64_t step, int64_t every, bool last) { return last || (every > 0 && step % every == 0); }

  // Where a run goes on, the best loss so far stands in the checkpoint that it went on from.
  void restore_best() {
    if (trainer_.steps_done() == 0) return;
    const Checkpoint c = read_checkpoint(run_.checkpoint_path(trainer_.steps_done()), ReadParts::model);
    best_ = {c.best_loss, c.best_step};
    // a crash may have come between a best checkpoint and its mark
    if (c.best_step == trainer_.steps_done() && config_.checkpoint.keep_best) run_.mark_best(c.best_step);
  }

  void log(const StepReport& r, bool last) {
    if (!due(r.step, config_.logging.every, last)) return;
    metrics_.write(r.step, {{"train/loss", r.loss}, {"grad_norm", r.grad_norm}, {"learning_rate", r.learning_rate},
                            {"tokens", double(r.tokens)}, {"seconds", r.seconds}});
  }

  // True where this is the best loss so far and its checkpoint is to be kept.
  bool evaluate(int64_t step) {
    const auto summary = observer_.evaluate(trainer_);
    if (!summary) return false;
    metrics_.write(step, summary->metrics);
    const bool improved = best_.improved_by(summary->loss);
    if (improved) best_ = {summary->loss, step};
    observer_.on_evaluation(step, *summary, improved);
    return improved && config_.checkpoint.keep_best;
  }

  void save(int64_t step, bool best) {
    metrics_.sync();
    Checkpoint c = trainer_.snapshot();
    c.best_loss = best_.loss, c.best_step = best_.step;
    c.tokenizer_json = identity_.tokenizer_json;
    c.data_hash = identity_.data_hash;
    c.source_json = identity_.source_json;
    c.attributes = identity_.attributes;
    const std::string path = run_.checkpoint_path(step);
    write_checkpoint(path, c);
    if (best) run_.mark_best(step);
    run_.prune(config_.checkpoint.keep);
    observer_.on_checkpoint(step, path);
  }

  Trainer& trainer_;
  const Config& config_;
  const RunFolder& run_;
  const RunIdentity& identity_;
  TrainingObserver& observer_;
  MetricsWriter metrics_;
  Best best_;
};

}  // namespace

Outcome train(Trainer& trainer, const RunFolder& run, const RunIdentity& identity, TrainingObserver& observer,
              const std::function<bool()>& stop) {
  return Loop(trainer, run, identity, observer).run(stop);
}

bool resume(Trainer& trainer, const RunFolder& run, const RunIdentity& identity, const Warn& warn) {
  const auto latest = find_latest(run.path(), warn);
  run.cut_metrics(latest ? latest->step : 0, warn);
  if (!latest) return false;
  const Checkpoint c = read_checkpoint(latest->path);
  if (c.data_hash != identity.data_hash)
    throw UsageError(latest->path + " was trained on other data (content " + c.data_hash + ", found " + identity.data_hash +
                     "); a resumed run must see the same tokens: restore them, or begin anew in another --out");
  if (c.tokenizer_json != identity.tokenizer_json)
    throw UsageError(latest->path + " was trained with another tokenizer; restore data.tokenizer, or begin anew in another --out");
  trainer.restore(c, latest->path);
  // best.h5 may be newer than every step file that is left: give the loop its own checkpoint of that step.
  if (latest->path != run.checkpoint_path(latest->step)) write_checkpoint(run.checkpoint_path(latest->step), c);
  return true;
}

}  // namespace adder
