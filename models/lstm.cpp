#include "models/lstm.h"

#include <cmath>

#include "framework/core/error.h"
#include "framework/ops/activation.h"
#include "framework/ops/add.h"
#include "framework/ops/lstm.h"
#include "framework/ops/mul.h"
#include "framework/ops/view.h"

namespace adder {
namespace {

enum Gate { kInput, kForget, kCandidate, kOutput };

// log(U[1, T-1]) for the forget gate of a unit, and its negative for the unit's input gate
double chrono_bias(const Random& random, int64_t hidden, int64_t steps, int64_t i) {
  const double u = random.uniform(uint64_t(hidden + i % hidden)), bias = std::log(1 + u * double(steps - 2));
  return i / hidden == kForget ? bias : -bias;
}

Initializer input_bias(const LstmOptions& o, int64_t hidden) {
  const Initializer uniform = init::linear_default(hidden);
  return [=, steps = o.chrono_steps, extra = o.forget_bias](const Random& random, int64_t i) {
    const int64_t gate = i / hidden;
    if (steps > 0 && gate <= kForget) return chrono_bias(random, hidden, steps, i);
    return uniform(random, i) + (gate == kForget ? extra : 0);
  };
}

Initializer hidden_bias(const LstmOptions& o, int64_t hidden) {
  const Initializer uniform = init::linear_default(hidden);
  return [=, chrono = o.chrono_steps > 0](const Random& random, int64_t i) {
    return chrono && i / hidden <= kForget ? 0 : uniform(random, i);
  };
}

}  // namespace

void LstmOptions::fields(Fields& f) {
  f("d_hidden", d_hidden, "width of the hidden state; 0: d_model", size_range(0));
  f.choice("initialization", initialization, {"uniform", "gaussian", "orthogonal"},
           "start of weight_hh: U(-1/sqrt(H), 1/sqrt(H)), N(0, 1/H), or each gate's rows orthogonal");
  f("forget_bias", forget_bias, "added to the forget gates' biases at the start; not with chrono_steps");
  f("chrono_steps", chrono_steps, "gate biases start for dependencies of up to this many steps; 0: off",
    count_range(0));
  f("fused", fused, "all steps as one op; false: step by step, op by op");
  RecurrenceOptions::fields(f);
}

Lstm::Lstm(const ModelConfig& config, const LstmOptions& o, const ParameterScope& scope)
    : hidden_(o.d_hidden ? o.d_hidden : config.d_model),
      fused_(o.fused),
      recurrence_("lstm", ops::DeerCell::lstm, o, hidden_, fused_) {
  if (o.chrono_steps == 1) throw UsageError("[lstm] chrono_steps is 1, expected 0 (off) or at least 2");
  p_ = declare_recurrent(scope, {config.d_model, hidden_, 4, config.n_layers},
                         {recurrent_weight(o.initialization, hidden_), input_bias(o, hidden_),
                          hidden_bias(o, hidden_)});
}

Var Lstm::forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  return output_projection(pass, p_, hidden_states(pass, x, state, at));
}

Decay Lstm::decay(Pass& pass, const Var& x, const MixerState& state, const Stretch& at) const {
  MixerState after = state;
  const Var y = hidden_states(pass, x, after, at), h0 = state.empty() ? Var() : state[0];
  return {.log_abs = log_gate(pass, p_, kForget, x, y, h0), .whole = false};
}

Var Lstm::hidden_states(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  if (!fused_) return step_by_step(pass, x, state, at.resets);
  if (!recurrence_.sequential(x)) return recurrence_.forward(pass, p_, x, state, at.resets);
  const bool fresh = state.empty();
  const auto r = ops::lstm(input_projection(pass, p_, x, at), use(pass, *p_.weight_hh), use(pass, *p_.bias_hh),
                           fresh ? Var() : state[0], fresh ? Var() : state[1], at.resets);
  state = {r.h, r.c};
  return r.y;
}

Var Lstm::step_by_step(Pass& pass, const Var& x, MixerState& state, const Tensor& resets) const {
  return each_step(x, state, 2, hidden_, resets, [&](const Var& now, MixerState& s) {
    const Var sum = ops::add(input_projection(pass, p_, now), hidden_projection(pass, p_, s[0]));
    const auto gate = ops::split(sum, {hidden_, hidden_, hidden_, hidden_});
    const Var kept = ops::mul(ops::sigmoid(gate[kForget]), s[1]);
    s[1] = ops::add(kept, ops::mul(ops::sigmoid(gate[kInput]), ops::tanh(gate[kCandidate])));
    s[0] = ops::mul(ops::sigmoid(gate[kOutput]), ops::tanh(s[1]));
  });
}

}  // namespace adder
