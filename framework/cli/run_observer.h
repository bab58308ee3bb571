// What the command line does while a run trains: shows it, and evaluates it on the validation text or its task.
#pragma once
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "framework/cli/progress.h"
#include "framework/cli/run_task.h"
#include "framework/cli/training_run.h"
#include "framework/config/json.h"
#include "framework/interop/event_file.h"

namespace adder {

// The value of a metric; NaN where there is none of that name.
double metric(const EvaluationSummary& summary, const std::string& name);
// eval_loss, and the floor's eval_floor, eval_excess and eval_excess_standard_error where there is one.
void add_evaluation(const EvaluationSummary& summary, JsonValue& result);

class RunObserver : public TrainingObserver {
 public:
  // `stop` is asked during an evaluation, which then gives up.
  RunObserver(const TrainingRun& run, bool quiet, std::function<bool()> stop);

  // From the first step on, TensorBoard's events go there, where logging.tensorboard asks for them.
  void events_in(const std::string& folder) { events_folder_ = folder; }

  void on_start(const Trainer& trainer, int64_t first_step) override;
  void on_step(const StepReport& report) override;
  void on_metrics(int64_t step, const Metrics& metrics, const Histograms& histograms) override;
  void on_guard(int64_t step, const std::string& what) override;
  // A full pass over the validation tokens; with their source's loss on them, where it is known, and nanoGPT's
  // estimate, if evaluation.random_windows asks. Or a task's held-out examples.
  std::optional<EvaluationSummary> evaluate(Trainer& trainer) override;
  std::optional<EvaluationSummary> evaluate(Model& model);  // on text
  void on_evaluation(int64_t step, const EvaluationSummary& summary, bool best) override;
  void on_checkpoint(int64_t step, const std::string& path) override;

  Progress& progress() { return progress_; }
  const std::optional<StepReport>& last_step() const { return last_step_; }
  const std::optional<EvaluationSummary>& last_evaluation() const { return last_evaluation_; }
  const std::optional<TaskScores>& last_scores() const { return last_scores_; }
  const std::string& last_checkpoint() const { return last_checkpoint_; }
  int64_t peak_bytes() const { return peak_bytes_; }  // of tensors, in a step; evaluations and checkpoints aside

 private:
  std::optional<EvaluationSummary> evaluate_task(Trainer& trainer);

  const TrainingRun& run_;
  std::function<bool()> stop_;
  Progress progress_;
  std::optional<StepReport> last_step_;
  std::set<std::string> warned_;  // each is said once
  std::optional<EvaluationSummary> last_evaluation_;
  std::optional<TaskScores> last_scores_;
  std::string last_checkpoint_, events_folder_;
  std::optional<EventFile> events_;
  int64_t peak_bytes_ = 0;
};

}  // namespace adder
