// Who looks into a training step. It may look at everything and must change nothing: a run watched and a run unwatched end
// in the same bits.
#pragma once
#include "framework/training/metrics.h"
#include "framework/training/optimizer.h"

namespace adder {

// A step between backward and update, or after it.
struct StepView {
  int64_t step = 0;  // from 1
  const ParameterList& parameters;
  const Optimizer& optimizer;
  double learning_rate = 0;
  double clip_scale = 1;     // what the gradients are multiplied by
  double spike = 0;          // standard deviations of the loss above the median of the last ones
  double clip_fraction = 0;  // share of the last steps whose gradient was clipped, this one included
};

struct StepWatcher {
  virtual ~StepWatcher() = default;
  virtual bool wants(int64_t step) const = 0;
  virtual void on_tape(Tape& tape, int64_t step) = 0;  // before each forward pass of the step
  virtual void on_micro_batch(const ParameterList&, int64_t /*index*/, int64_t /*count*/) {}  // after each backward pass of several
  virtual void on_gradients(const StepView&) = 0;   // they are complete, and not clipped yet
  virtual Metrics on_update(const StepView&) = 0;   // after the update: what is to be told of the step …
  virtual Histograms histograms() { return {}; }    // … and the histograms of the same step
};

}  // namespace adder
