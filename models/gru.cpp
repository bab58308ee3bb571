#include "models/gru.h"

#include <algorithm>
#include <cmath>

#include "framework/ops/activation.h"
#include "framework/ops/add.h"
#include "framework/ops/gru.h"
#include "framework/ops/linear.h"
#include "framework/ops/mul.h"
#include "framework/ops/view.h"
#include "models/tangents.h"
#include "models/width.h"

namespace adder {
namespace {

enum Gate { kReset, kKeep, kCandidate };

}  // namespace

void GruOptions::fields(Fields& f) {
  f("d_hidden", d_hidden, "width of the hidden state; 0: d_model", size_range(0));
  f.choice("initialization", initialization, {"uniform", "gaussian", "orthogonal"},
           "start of weight_hh: U(-1/sqrt(H), 1/sqrt(H)), N(0, 1/H), or each gate's rows orthogonal");
  f("fused", fused, "all steps as one op; false: step by step, op by op");
  RecurrenceOptions::fields(f);
}

Gru::Gru(const ModelConfig& config, const GruOptions& o, const ParameterScope& scope)
    : hidden_(o.d_hidden ? o.d_hidden : config.d_model),
      fused_(o.fused),
      recurrence_("gru", ops::DeerCell::gru, o, hidden_, fused_) {
  require_derived_width(config, "gru", "d_hidden", o.d_hidden);
  const Initializer uniform = init::linear_default(hidden_, std::sqrt(config.width_ratio()));
  p_ = declare_recurrent(scope, {config.d_model, hidden_, 3, config.n_layers},
                         {recurrent_weight(o.initialization, hidden_), uniform, uniform});
}

Var Gru::forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  return output_projection(pass, p_, hidden_states(pass, x, state, at));
}

Decay Gru::decay(Pass& pass, const Var& x, const MixerState& state, const Stretch& at) const {
  MixerState after = state;
  const Var y = hidden_states(pass, x, after, at), h0 = state.empty() ? Var() : state[0];
  return {.log_abs = log_gate(pass, p_, kKeep, x, y, h0), .whole = false};
}

// J v = z v + (h' - n) z(1-z) W_z v + (1-z)(1-n^2) (r W_n v + s r(1-r) W_r v), with h' = h_{t-1} and s = W_n h' + b_n
Tangent Gru::tangent(Pass& pass, const Var& x, const MixerState& state, int64_t vectors) const {
  MixerState after = state;
  const Var before = one_step_before(hidden_states(pass, x, after, {}), state.empty() ? Var() : state[0]);
  const std::vector<int64_t> gates(3, hidden_);
  const auto in = ops::split(input_projection(pass, p_, x), gates), step = ops::split(hidden_projection(pass, p_, before), gates);
  const Var r = ops::sigmoid(ops::add(in[kReset], step[kReset])), z = ops::sigmoid(ops::add(in[kKeep], step[kKeep]));
  const Var s = step[kCandidate], n = ops::tanh(ops::add(in[kCandidate], ops::mul(r, s)));
  const Var by_n = ops::mul(one_minus(z), slope_of_tanh(n));
  const auto beside = [k = std::min(vectors, hidden_)](const Var& factor) { return beside_vectors(factor, k); };
  const Var of_v = beside(z), of_z = beside(ops::mul(minus(before, n), slope_of_sigmoid(z)));
  const Var of_n = beside(ops::mul(by_n, r)), of_r = beside(ops::mul(by_n, ops::mul(s, slope_of_sigmoid(r))));
  return {hidden_, x.dtype(), [=, w_hh = use(pass, *p_.weight_hh)](int64_t t, const Var& v) {
            const auto w = ops::split(ops::linear(v, w_hh), gates);
            const Var kept = ops::add(ops::mul(at_step(of_v, t), v), ops::mul(at_step(of_z, t), w[kKeep]));
            return ops::add(kept, ops::add(ops::mul(at_step(of_n, t), w[kCandidate]), ops::mul(at_step(of_r, t), w[kReset])));
          }};
}

Var Gru::hidden_states(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  if (!fused_) return step_by_step(pass, x, state, at.resets);
  if (!recurrence_.sequential(x)) return recurrence_.forward(pass, p_, x, state, at.resets);
  const auto r = ops::gru(input_projection(pass, p_, x, at), use(pass, *p_.weight_hh), use(pass, *p_.bias_hh),
                          state.empty() ? Var() : state[0], at.resets);
  state = {r.last};
  return r.y;
}

// h_t = n + z (h_{t-1} - n)
Var Gru::step_by_step(Pass& pass, const Var& x, MixerState& state, const Tensor& resets) const {
  const Var minus_one = Tensor::full({x.dim(0), hidden_}, -1, x.dtype(), x.device());
  return each_step(x, state, 1, hidden_, resets, [&](const Var& now, MixerState& s) {
    const auto in = ops::split(input_projection(pass, p_, now), {hidden_, hidden_, hidden_});
    const auto step = ops::split(hidden_projection(pass, p_, s[0]), {hidden_, hidden_, hidden_});
    const Var r = ops::sigmoid(ops::add(in[0], step[0])), z = ops::sigmoid(ops::add(in[1], step[1]));
    const Var n = ops::tanh(ops::add(in[2], ops::mul(r, step[2])));
    s[0] = ops::add(n, ops::mul(z, ops::add(s[0], ops::mul(minus_one, n))));
  });
}

}  // namespace adder
