// Training: batch -> loss -> backward -> clip -> update, and everything that makes a run exact, resumable and safe.
// Trainer holds the numbers of a run; train() is the loop around it: evaluation, checkpoints, metrics, interruption.
#pragma once
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "framework/config/config.h"
#include "framework/data/batches.h"
#include "framework/data/tokenizer.h"
#include "framework/training/checkpoint.h"
#include "framework/training/loss_history.h"
#include "framework/training/optimizer.h"
#include "framework/training/run_folder.h"
#include "framework/training/step_watcher.h"

namespace adder {

struct StepReport {
  int64_t step = 0;            // from 1
  double loss = 0;             // nats a token (of a task with real inputs, squared error), before this step's update
  std::optional<double> z_loss = {};  // training.z_loss times the mean of log(Z)^2, where it is on
  double grad_norm = 0;        // before clipping
  double learning_rate = 0;
  int64_t tokens = 0;          // seen since the beginning of the run
  double seconds = 0;          // that this step took
  Readings readings = {};      // what the model tells of itself
  Metrics health = {};         // what a watcher tells of the step; empty where it did not look
  Histograms histograms = {};  // the same
  std::string guarded = {};    // what the guard did with it, in words; such a step made no update
};

// The lowest evaluation loss so far.
struct BestLoss {
  double loss = std::numeric_limits<double>::quiet_NaN();  // NaN: never evaluated
  int64_t step = -1;                                       // -1: none
};

class Trainer {
 public:
  // Everything but the model is borrowed from the config. `batches` must outlive the trainer. UsageError where a
  // state is to be carried that grows with the text, by muon with a learning_rate of 0, and for a model without
  // gradients.
  Trainer(const Config& config, std::unique_ptr<Model> model, const BatchSource& batches);

  // One optimizer step. DivergedError, before the update, where loss or gradient is not finite or beyond the guard's
  // bounds: it names the step, and the first op and module, or the tensor, where it shows. Nothing has changed then, and
  // skip_step() may follow.
  StepReport step();
  // Counts the step that failed as done, without an update: the next one reads the next batch.
  StepReport skip_step();
  int64_t guarded() const { return guarded_; }  // how often the guard acted; part of the run's state
  void count_guard() { ++guarded_; }
  // Weights and optimizer of a checkpoint, and what it carried; step, tokens and data go on from here.
  void take_weights(const Checkpoint& checkpoint, const std::string& path);
  // What the present step reads: "ids", "labels", … of all its passes one after another. For a dump.
  std::vector<NamedTensor> batch_of_step() const;
  // DivergedError where a parameter is not finite: it names the last step and the first such parameter. step() can't
  // see it before the next forward pass.
  void require_finite_parameters() const;
  double loss_of(const Batch& batch);  // mean loss, nothing recorded; for tests and random-window estimates

  // Every later step's time goes there; null: nothing is measured. It must outlive them.
  void profile(Profile* profile) { profile_ = profile; }
  // Looks into the later steps that it wants; null: nobody. It must outlive them.
  void watch(StepWatcher* watcher) { watcher_ = watcher; }

  Model& model() { return *model_; }
  int64_t steps_done() const { return step_; }
  int64_t tokens() const { return tokens_; }
  const Config& config() const { return config_; }

  // Part of the run's state, but the loop's to set.
  const BestLoss& best() const { return best_; }
  void set_best(const BestLoss& best) { best_ = best; }
  int64_t solved_step() const { return solved_step_; }  // of the first evaluation that solved the task; -1: none yet
  void set_solved_step(int64_t step) { solved_step_ = step; }

  // What training.state "carry" hands to the next batch that goes on; empty before the first step, and with "reset".
  const State& carried() const { return carried_; }

  // The state of the run as a checkpoint keeps it (model, optimizer, step, tokens, best, solved, data cursor, carried state:
  // /carried/<state name> and /carried/positions), and back.
  Checkpoint snapshot() const;
  void restore(const Checkpoint& checkpoint, const std::string& path);

 private:
  struct Sums {
    double loss = 0, z_loss = 0;  // means over the step's micro-batches
    State state;                  // after the last of them
    Readings readings;
  };
  Sums accumulate_gradients(bool require_finite, StepWatcher* watcher = nullptr);
  void update(StepReport& report, StepWatcher* watcher);
  std::string explosion(const StepReport& report) const;
  double bytes_of_state(double copies) const;
  std::vector<NamedTensor> stored_state() const;
  State state_from(const Checkpoint& checkpoint, const std::string& path) const;
  [[noreturn]] void report_divergence(const StepReport& report);

  Config config_;
  std::unique_ptr<Model> model_;
  const BatchSource& batches_;
  std::unique_ptr<Optimizer> optimizer_;
  Profile* profile_ = nullptr;
  StepWatcher* watcher_ = nullptr;
  LossHistory history_;
  StepReport failed_;  // the step that step() threw at
  int64_t step_ = 0, tokens_ = 0, solved_step_ = -1, guarded_ = 0;
  BestLoss best_;
  State carried_;
};

// The loss of a batch: cross entropy of labels, or the squared error of targets; of those that are told.
Var mean_loss(const Var& output, const Batch& batch);

// What an evaluation during training gives back; `loss` decides which checkpoint is best.
struct EvaluationSummary {
  double loss = 0;                                          // nats a token over the whole validation split
  std::vector<std::pair<std::string, double>> metrics = {}; // "eval/loss", "eval/perplexity", … for metrics.jsonl
  bool solved = false;                                      // of a task: its threshold is reached
};

// Who watches a run; the command line wires evaluation and the progress bar through this.
struct TrainingObserver {
  virtual ~TrainingObserver() = default;
  virtual void on_start(const Trainer&, int64_t /*first_step*/) {}
  virtual void on_step(const StepReport&) {}
  virtual std::optional<EvaluationSummary> evaluate(Trainer&) { return std::nullopt; }  // none: nothing to evaluate on
  virtual void on_metrics(int64_t /*step*/, const Metrics&, const Histograms&) {}  // a line of metrics.jsonl
  virtual void on_guard(int64_t /*step*/, const std::string& /*what*/) {}
  virtual void on_evaluation(int64_t /*step*/, const EvaluationSummary&, bool /*best*/) {}
  virtual void on_checkpoint(int64_t /*step*/, const std::string& /*path*/) {}
};

struct RunIdentity {
  std::string tokenizer_json, data_hash, source_json;                // go into every checkpoint
  std::vector<std::pair<std::string, std::string>> attributes = {};  // version, host
};

enum class Outcome { finished, stopped };

// Whether an evaluation that was due at the last step done, the very last one too, is not among the metrics: it was
// interrupted. train() begins by making up for it.
bool evaluation_is_missing(const Trainer& trainer, const RunFolder& run);

// Whether the run has come to its end: config.training.steps, or a solved task with evaluation.stop_when_solved.
bool is_done(const Trainer& trainer);

// Trains from where the trainer stands until is_done(). `stop` is asked after each step; true: save and
// return stopped. The last step done is always saved. DivergedError as of step(), and before an evaluation or a
// checkpoint where a parameter is not finite: nothing is written then, older checkpoints stay.
Outcome train(Trainer& trainer, const RunFolder& run, const RunIdentity& identity, TrainingObserver& observer,
              const std::function<bool()>& stop);

// UsageError where a checkpoint is of other tokens, or of another tokenizer, than the run that is to go on from it.
void require_same_data(const Checkpoint& checkpoint, const std::string& path, const RunIdentity& identity);

// Continues a run: restores the newest good checkpoint of the folder, sets aside what is newer
// (RunFolder::set_aside_after), makes best.h5 the restored best_step's checkpoint again if that is still there, cuts
// metrics.jsonl back to its step.
// False where there is none at all (metrics are cut to nothing). All of them damaged is an UnreadableError, other data
// or another tokenizer a UsageError; both change nothing. That the config is the same is the caller's to see to (resume_differences).
bool resume(Trainer& trainer, const RunFolder& run, const RunIdentity& identity, const Warn& warn);

}  // namespace adder
