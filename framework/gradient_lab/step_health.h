// The health of a training step, read from outside while the run trains: cheap enough to leave on every so many steps, and
// without any effect on the run's numbers. What the ops tell (activation_health.h), and of each tensor
//   grad_norm/<tensor>      before clipping; clip_scale times it is what the optimizer gets
//   update/<tensor>         |update| / |weight|: about 1e-3 is usual; of a tensor that is all 0, |update|
//   outlier/<tensor>        the share of the tensor's squares in its largest weight, where there are 64 or more
//   below_eps/<tensor>      share of coordinates whose root of Adam's second moment, corrected, is below 10 eps
// and of the step
//   clip_scale, clip_fraction (of the last 128 steps), spike (standard deviations of the loss above the last ones),
//   stream_growth (residual stream: rms after the last block over the embedding's; with post-norm that block's norm decides it).
//   seconds/<measure>       that looking took; the step's own time holds it
// In metrics.jsonl each name begins with health/.
#pragma once
#include <memory>

#include "framework/config/config.h"
#include "framework/gradient_lab/activation_health.h"
#include "framework/training/step_watcher.h"

namespace adder::lab {

class StepHealth : public StepWatcher {
 public:
  // Looks into step 1, every `every`-th one and the last; 0: into none.
  StepHealth(const Config& config, int64_t every);

  bool wants(int64_t step) const override;
  void on_tape(Tape& tape, int64_t step) override;
  void on_gradients(const StepView& view) override;
  Metrics on_update(const StepView& view) override;
  Metrics seen() const;  // of the ops alone: all that there is of a step that failed

 private:
  void tell_updates(const StepView& view);
  void tell_moments(const StepView& view);

  int64_t every_, last_;
  double eps_, beta2_;
  HeadsByBlock heads_;
  std::unique_ptr<ActivationHealth> activations_;
  int64_t looked_ = 0;                       // the step that they belong to
  Readings times_;
  Metrics told_;
  std::vector<std::vector<double>> before_;  // the parameters before the update
};

}  // namespace adder::lab
