#include "models/recurrence.h"

#include <cstdio>

#include "framework/core/error.h"

namespace adder {

void RecurrenceOptions::fields(Fields& f) {
  f.choice(
      "recurrence", recurrence, {"sequential", "deer", "quasi_deer"},
      "how the steps are evaluated: one after another, or all at once by Newton's method, with the state's "
      "whole "
      "Jacobian (for states of at most 64 elements) or its diagonal; the same numbers within deer_tolerance");
  f("deer_tolerance", deer_tolerance,
    "largest residual, relative to the largest state from 1 up, that ends the iteration; 0: 1e-6, in float64 "
    "1e-13",
    at_least(0));
  f("deer_max_iterations", deer_max_iterations,
    "iterations after which a document is run step by step instead; deer/fallbacks counts those",
    size_range());
}

Recurrence::Recurrence(const char* architecture, ops::DeerCell cell, const RecurrenceOptions& o,
                       int64_t hidden, bool fused)
    : name_(o.recurrence),
      sequential_(o.recurrence == "sequential"),
      deer_{cell, o.recurrence == "deer", o.deer_tolerance, o.deer_max_iterations} {
  const std::string where = "[" + std::string(architecture) + "] recurrence is \"" + o.recurrence + "\"";
  if (!sequential_ && !fused)
    throw UsageError(where + ", but fused is false, which runs step by step: remove one of the two");
  const int64_t most = ops::kDeerMostState / ops::deer_states(cell);
  if (deer_.dense && hidden > most)
    throw UsageError(
        where +
        ", which keeps a Jacobian for every step: expected a d_hidden (d_model where it is 0) of at most " +
        std::to_string(most) + ", found " + std::to_string(hidden) +
        "; use \"quasi_deer\", which keeps its diagonal");
}

Var Recurrence::forward(Pass& pass, const RecurrentParameters& p, const Var& x, MixerState& state,
                        const Tensor& resets) const {
  const auto r = ops::deer(input_projection(pass, p, x), use(pass, *p.weight_hh), use(pass, *p.bias_hh),
                           state, resets, deer_);
  state = r.last;
  if (pass.readings) tell(*pass.readings, r.report);
  return r.y;
}

void Recurrence::tell(Readings& readings, const ops::DeerReport& report) const {
  readings.mean("deer/iterations", double(report.iterations), double(report.documents));
  readings.largest("deer/most_iterations", double(report.most));
  readings.largest("deer/residual", report.residual);
  readings.total("deer/fallbacks", double(report.fallbacks));
  if (report.fallbacks > 0)
    readings.warning(
        "model.recurrence \"" + name_ + "\" did not converge within model.deer_max_iterations, " +
        std::to_string(deer_.max_iterations) +
        ", for some documents: they were run step by step, to the same numbers (metric deer/fallbacks)");
}

}  // namespace adder
