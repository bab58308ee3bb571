// The health of a training step, read from outside while the run trains: cheap enough to leave on every so many steps, and
// without any effect on the run's numbers. What the ops tell (activation_health.h), and of each tensor
//   grad_norm/<tensor>      before clipping; clip_scale times it is what the optimizer gets
//   update/<tensor>         |update| / |weight|: about 1e-3 is usual; of a tensor that is all 0, |update|
//   outlier/<tensor>        the share of the tensor's squares in its largest weight, where there are 64 or more
//   (update and below_eps of a tensor with more than 2^16 elements: by 2^15 of them, evenly spread)
//   below_eps/<tensor>      share of coordinates whose root of Adam's second moment, corrected, is below 10 eps
// and of the step
//   clip_scale, clip_fraction (of the last 128 steps), spike (standard deviations of the loss above the last ones),
//   stream_growth (residual stream: rms after the last block over the embedding's; with post-norm that block's norm decides it).
//   gradient_square, gradient_noise, noise_scale   where a step has several micro-batches: |G|^2 and tr(Sigma) of
//                           gradient_noise.h, their ratio in rows; one step's figures scatter, and noise_scale is left out where
//                           |G|^2 comes out below 0: take means of the first two over steps, then their ratio
//   seconds/<measure>       that looking took; the step's own time holds it
// and of each part (embedding, blocks.0.mixer, …), besides those of activation_health.h, the histograms
//   gradient/<part> (before clipping), parameter/<part> (before the update): of at most 2^14 elements, evenly spread
// In metrics.jsonl each name begins with health/, that of a histogram with health/histogram/.
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
  Histograms histograms() override { return std::move(histograms_); }
  void on_micro_batch(const ParameterList& parameters, int64_t index, int64_t count) override;
  Metrics seen() const;  // of the ops alone: all that there is of a step that failed

 private:
  void tell_updates(const StepView& view);
  void tell_moments(const StepView& view);
  void tell_histograms(const StepView& view);
  void tell_noise(double whole);  // |G|^2 of the whole gradient

  int64_t every_, last_;
  int64_t batch_size_;
  double eps_, beta2_;
  HeadsByBlock heads_;
  std::unique_ptr<ActivationHealth> activations_;
  int64_t looked_ = 0;                       // the step that they belong to
  Readings times_, noise_times_;
  Metrics told_;
  Histograms histograms_;
  std::vector<Tensor> sums_;                 // gradients of the micro-batches so far
  std::vector<double> micro_squares_;        // |gradient|^2 of each micro-batch
  std::vector<std::vector<double>> before_;  // the parameters, or a part of each, before the update
};

}  // namespace adder::lab
