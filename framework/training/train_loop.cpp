// The loop of trainer.h. At a step: update, then evaluation, then checkpoint; so a checkpoint holds all that happened up
// to it, and a run resumed from it does nothing twice.
#include <cmath>
#include <filesystem>

#include "framework/core/error.h"
#include "framework/training/guard.h"
#include "framework/training/metrics.h"
#include "framework/training/trainer.h"

namespace adder {
namespace {

bool due(int64_t step, int64_t every, bool last) { return last || (every > 0 && step % every == 0); }

class Loop {
 public:
  Loop(Trainer& trainer, const RunFolder& run, const RunIdentity& identity, TrainingObserver& observer)
      : trainer_(trainer), config_(trainer.config()), run_(run), identity_(identity), observer_(observer),
        metrics_(run.metrics_path()), guard_(trainer, run, identity, observer) {}

  Outcome run(const std::function<bool()>& stop) {
    const int64_t first = trainer_.steps_done();
    observer_.on_start(trainer_, first);
    if (guard_.rolls_back() && first == 0) save(0, false);
    if (evaluation_is_missing(trainer_, run_)) {
      const Evaluated made_up = evaluate(first);
      if (made_up.done) save(first, made_up.best);
    }
    while (!is_done(trainer_)) {
      const StepReport report = step();
      const bool last = report.step == config_.training.steps;
      log(report, last);
      observer_.on_step(report);
      const bool best = due(report.step, config_.evaluation.every, last) && evaluate(report.step).best;
      const bool done = is_done(trainer_), stopping = !done && stop();
      if (best || stopping || due(report.step, config_.checkpoint.every, done)) save(report.step, best);
      if (stopping) return Outcome::stopped;
    }
    return Outcome::finished;
  }

 private:
  struct Evaluated {
    bool done = false;  // false: there is nothing to evaluate on, or it was interrupted
    bool best = false;  // the best loss so far, whose checkpoint is to be kept
  };

  StepReport step() {
    try {
      return trainer_.step();
    } catch (const DivergedError& problem) {
      return guard_.act(problem);
    }
  }

  void require_finite() {
    try {
      trainer_.require_finite_parameters();
    } catch (const DivergedError& problem) {
      guard_.mend(problem);
    }
  }

  void log(const StepReport& r, bool last) {
    if (!due(r.step, config_.logging.every, last) && r.health.empty() && r.guarded.empty()) return;
    Metrics metrics = {{"train/loss", r.loss}, {"grad_norm", r.grad_norm}, {"learning_rate", r.learning_rate},
                       {"tokens", double(r.tokens)}, {"seconds", r.seconds}};
    if (r.z_loss) metrics.insert(metrics.begin() + 1, {"z_loss", *r.z_loss});
    for (const auto& reading : r.readings.values()) metrics.push_back(reading);
    metrics.insert(metrics.end(), r.health.begin(), r.health.end());
    if (!r.guarded.empty()) metrics.emplace_back("guard/acted", double(trainer_.guarded()));
    write(r.step, metrics, r.histograms);
  }

  void write(int64_t step, const Metrics& metrics, const Histograms& histograms) {
    metrics_.write(step, metrics, histograms);
    observer_.on_metrics(step, metrics, histograms);
  }

  Evaluated evaluate(int64_t step) {
    require_finite();
    const auto summary = observer_.evaluate(trainer_);
    if (!summary) return {};
    if (summary->solved && trainer_.solved_step() < 0) trainer_.set_solved_step(step);
    Metrics metrics = summary->metrics;
    if (trainer_.solved_step() >= 0) metrics.emplace_back("eval/solved_step", double(trainer_.solved_step()));
    write(step, metrics, {});
    const bool improved = std::isfinite(summary->loss) && !(trainer_.best().loss <= summary->loss);
    if (improved) trainer_.set_best({summary->loss, step});
    observer_.on_evaluation(step, *summary, improved);
    return {true, improved && config_.checkpoint.keep_best};
  }

  void save(int64_t step, bool best) {
    require_finite();
    metrics_.sync();
    const std::string path = run_.checkpoint_path(step);
    write_checkpoint(path, snapshot(trainer_, identity_));
    if (best) run_.mark_best(step);
    run_.prune(config_.checkpoint.keep, step, guard_.rolls_back() ? guard_.due_step(step) : -1);
    observer_.on_checkpoint(step, path);
  }

  Trainer& trainer_;
  const Config& config_;
  const RunFolder& run_;
  const RunIdentity& identity_;
  TrainingObserver& observer_;
  MetricsWriter metrics_;
  Guard guard_;
};

// A crash may have come between a best checkpoint and its mark, or best.h5 was set aside.
void restore_mark(const RunFolder& run, int64_t best_step) {
  const std::string path = run.checkpoint_path(best_step);
  std::error_code error;
  if (best_step < 0 || std::filesystem::equivalent(path, run.best_path(), error)) return;
  try {
    verify_checkpoint(path);
  } catch (const UnreadableError&) {
    return;
  }
  run.mark_best(best_step);
}

}  // namespace

bool is_done(const Trainer& trainer) {
  const Config& c = trainer.config();
  const bool solved = c.evaluation.stop_when_solved && trainer.solved_step() >= 0;
  return solved || trainer.steps_done() >= c.training.steps;
}

bool evaluation_is_missing(const Trainer& trainer, const RunFolder& run) {
  const int64_t step = trainer.steps_done();
  const Config& c = trainer.config();
  return step > 0 && step <= c.training.steps && due(step, c.evaluation.every, step == c.training.steps) &&
         !run.has_metric(step, "eval/loss");
}

Outcome train(Trainer& trainer, const RunFolder& run, const RunIdentity& identity, TrainingObserver& observer,
              const std::function<bool()>& stop) {
  return Loop(trainer, run, identity, observer).run(stop);
}

void require_same_data(const Checkpoint& c, const std::string& path, const RunIdentity& identity) {
  const auto shown = [](const std::string& json) {
    return json.empty() ? "none" : Tokenizer::from_json(json, "tokenizer")->text();
  };
  if (c.tokenizer_json != identity.tokenizer_json)
    throw UsageError(path + " was trained with the tokenizer " + shown(c.tokenizer_json) + ", found " +
                     shown(identity.tokenizer_json) + "; restore data.tokenizer, or begin anew in another --out");
  if (c.data_hash != identity.data_hash)
    throw UsageError(path + " was trained on other data (content " + c.data_hash + ", found " + identity.data_hash +
                     "); a resumed run must see the same tokens: restore them, or begin anew in another --out");
}

bool resume(Trainer& trainer, const RunFolder& run, const RunIdentity& identity, const Warn& warn) {
  const auto latest = find_resumable(run.path(), warn);
  if (!latest) {
    run.cut_metrics(0, warn);
    return false;
  }
  const Checkpoint c = read_checkpoint(latest->path);
  require_same_data(c, latest->path, identity);
  trainer.restore(c, latest->path);
  run.set_aside_after(latest->step, warn);
  run.cut_metrics(latest->step, warn);
  // best.h5 may be newer than every step file that is left: give the loop its own checkpoint of that step.
  if (latest->path != run.checkpoint_path(latest->step)) write_checkpoint(run.checkpoint_path(latest->step), c);
  if (trainer.config().checkpoint.keep_best) restore_mark(run, c.best_step);
  return true;
}

}  // namespace adder
