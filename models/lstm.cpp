#include "models/lstm.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/ops/activation.h"
#include "framework/ops/add.h"
#include "framework/ops/linear.h"
#include "framework/ops/lstm.h"
#include "framework/ops/mul.h"
#include "framework/ops/scan.h"
#include "framework/ops/view.h"
#include "models/tangents.h"
#include "models/width.h"

namespace adder {
namespace {

enum Gate { kInput, kForget, kCandidate, kOutput };

// log(U[1, T-1]) for the forget gate of a unit, and its negative for the unit's input gate
double chrono_bias(const Random& random, int64_t hidden, int64_t steps, int64_t i) {
  const double u = random.uniform(uint64_t(hidden + i % hidden)), bias = std::log(1 + u * double(steps - 2));
  return i / hidden == kForget ? bias : -bias;
}

Initializer input_bias(const LstmOptions& o, int64_t hidden, const Initializer& uniform) {
  return [=, steps = o.chrono_steps, extra = o.forget_bias](const Random& random, int64_t i) {
    const int64_t gate = i / hidden;
    if (steps > 0 && gate <= kForget) return chrono_bias(random, hidden, steps, i);
    return uniform(random, i) + (gate == kForget ? extra : 0);
  };
}

Initializer hidden_bias(const LstmOptions& o, int64_t hidden, const Initializer& uniform) {
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
  require_derived_width(config, "lstm", "d_hidden", o.d_hidden);
  const Initializer uniform = init::linear_default(hidden_, std::sqrt(config.width_ratio()));
  p_ = declare_recurrent(scope, {config.d_model, hidden_, 4, config.n_layers},
                         {recurrent_weight(o.initialization, hidden_), input_bias(o, hidden_, uniform),
                          hidden_bias(o, hidden_, uniform)});
}

Var Lstm::forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  return output_projection(pass, p_, hidden_states(pass, x, state, at));
}

Decay Lstm::decay(Pass& pass, const Var& x, const MixerState& state, const Stretch& at) const {
  MixerState after = state;
  const Var y = hidden_states(pass, x, after, at), h0 = state.empty() ? Var() : state[0];
  return {.log_abs = log_gate(pass, p_, kForget, x, y, h0), .whole = false};
}

// Of the state (h, c), v = (v_h, v_c) at t - 1 and u = (u_h, u_c) at t, with c' = c_{t-1}:
//   u_c = f v_c + c' f(1-f) W_f v_h + g i(1-i) W_i v_h + i (1-g^2) W_g v_h
//   u_h = o (1-tanh(c)^2) u_c + tanh(c) o(1-o) W_o v_h
Tangent Lstm::tangent(Pass& pass, const Var& x, const MixerState& state, int64_t vectors) const {
  const Var h0 = state.empty() ? Var() : state[0], c0 = state.empty() ? Var() : state[1];
  MixerState after = state;
  const Var before = one_step_before(hidden_states(pass, x, after, {}), h0);
  const std::vector<int64_t> gates(4, hidden_);
  const auto sum = ops::split(ops::add(input_projection(pass, p_, x), hidden_projection(pass, p_, before)), gates);
  const Var i = ops::sigmoid(sum[kInput]), f = ops::sigmoid(sum[kForget]), g = ops::tanh(sum[kCandidate]);
  const Var o = ops::sigmoid(sum[kOutput]), c = ops::scan(f, ops::mul(i, g), c0).h, tanh_c = ops::tanh(c);
  const auto beside = [k = std::min(vectors, 2 * hidden_)](const Var& factor) { return beside_vectors(factor, k); };
  const Var of_c = beside(f), of_f = beside(ops::mul(one_step_before(c, c0), slope_of_sigmoid(f)));
  const Var of_i = beside(ops::mul(g, slope_of_sigmoid(i))), of_g = beside(ops::mul(i, slope_of_tanh(g)));
  const Var of_u = beside(ops::mul(o, slope_of_tanh(tanh_c))), of_o = beside(ops::mul(tanh_c, slope_of_sigmoid(o)));
  return {2 * hidden_, x.dtype(), [=, w_hh = use(pass, *p_.weight_hh), n = hidden_](int64_t t, const Var& v) {
            const auto parts = ops::split(v, {n, n}), w = ops::split(ops::linear(parts[0], w_hh), gates);
            const auto by = [&](const Var& factor, const Var& y) { return ops::mul(at_step(factor, t), y); };
            const Var u_c = ops::add(ops::add(by(of_c, parts[1]), by(of_f, w[kForget])),
                                     ops::add(by(of_i, w[kInput]), by(of_g, w[kCandidate])));
            return joined_vectors(ops::add(by(of_u, u_c), by(of_o, w[kOutput])), u_c);
          }};
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
