// How a recurrent mixer (rnn, lstm, gru) gets through a stretch of tokens: step by step, or all steps at once
// by Newton's method (ops/deer.h). The numbers are the same within the tolerance. A single token is a step
// either way.
#pragma once
#include "framework/config/model_config.h"
#include "framework/ops/deer.h"
#include "models/recurrent_init.h"

namespace adder {

struct RecurrenceOptions {
  std::string recurrence = "sequential";
  double deer_tolerance = 0;
  int64_t deer_max_iterations = 100;
  void fields(Fields& f);
};

class Recurrence {
 public:
  // UsageError that begins with [architecture] where the state of `hidden` units is too large for "deer", or
  // a recurrence that is not sequential meets `fused` false.
  Recurrence(const char* architecture, ops::DeerCell cell, const RecurrenceOptions& options, int64_t hidden,
             bool fused);

  bool sequential(const Var& x) const { return sequential_ || x.dim(1) == 1; }
  // y (B, L, H); the state goes on. Tells pass.readings: deer/iterations (mean of the documents of all
  // blocks), deer/most_iterations, deer/residual (largest at the end), deer/fallbacks (documents that were
  // run step by step).
  Var forward(Pass& pass, const RecurrentParameters& p, const Var& x, MixerState& state,
              const Tensor& resets) const;

 private:
  void tell(Readings& readings, const ops::DeerReport& report) const;

  std::string name_;
  bool sequential_;
  ops::DeerOptions deer_;
};

}  // namespace adder
