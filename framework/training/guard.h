// What a run does at a step that must not be made: config section guard. Each such step leaves a dump: a checkpoint of the
// state before it, with the batch that it read (/batch) and the reason (root attribute "guard").
#pragma once
#include "framework/core/error.h"
#include "framework/training/trainer.h"

namespace adder {

class Guard {
 public:
  Guard(Trainer& trainer, const RunFolder& run, const RunIdentity& identity, TrainingObserver& observer)
      : trainer_(trainer), run_(run), identity_(identity), observer_(observer) {}

  // After step() threw: writes the dump, then leaves the step out, or goes back, too; the step's report. Throws DivergedError,
  // which names the dump, where the run ends: action stop, guard.most reached, or no way to go on.
  StepReport act(const DivergedError& problem);
  // Weights that an update left not finite: goes back where the action is rollback, else throws the problem.
  void mend(const DivergedError& problem);
  bool rolls_back() const { return trainer_.config().guard.action == "rollback"; }
  // The newest step up to `step` whose checkpoint a rollback may use: one that was due, whatever interruptions added.
  int64_t due_step(int64_t step) const;

 private:
  int64_t roll_back();
  std::string write_dump(const std::string& reason) const;

  Trainer& trainer_;
  const RunFolder& run_;
  const RunIdentity& identity_;
  TrainingObserver& observer_;
};

// The trainer's state with what the run knows beside it.
Checkpoint snapshot(const Trainer& trainer, const RunIdentity& identity);

}  // namespace adder
