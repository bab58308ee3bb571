#include "models/rnn.h"

#include <algorithm>
#include <cmath>

#include "framework/ops/activation.h"
#include "framework/ops/add.h"
#include "framework/ops/linear.h"
#include "framework/ops/mul.h"
#include "framework/ops/rnn.h"
#include "models/tangents.h"
#include "models/width.h"

namespace adder {
namespace {

// 1 where x > 0, else 0.
Tensor step_function(const Tensor& x) {
  const Tensor y = Tensor::zeros(x.shape(), x.dtype(), x.device()), in = x.contiguous() ? x : x.clone();
  by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < y.size(); ++i) y.data<T>()[i] = T(in.data<T>()[i] > 0);
  });
  return y;
}

}  // namespace

void RnnOptions::fields(Fields& f) {
  f("d_hidden", d_hidden, "width of the hidden state; 0: d_model", size_range(0));
  f.choice("nonlinearity", nonlinearity, {"tanh", "relu"}, "function of each step's sum");
  f.choice("initialization", initialization, {"uniform", "gaussian", "orthogonal", "identity"},
           "start of weight_hh: U(-1/sqrt(H), 1/sqrt(H)), N(0, 1/H), orthogonal, or the identity");
  f("fused", fused, "all steps as one op; false: step by step, op by op");
  RecurrenceOptions::fields(f);
}

Rnn::Rnn(const ModelConfig& config, const RnnOptions& o, const ParameterScope& scope)
    : hidden_(o.d_hidden ? o.d_hidden : config.d_model),
      relu_(o.nonlinearity == "relu"),
      fused_(o.fused),
      recurrence_("rnn", relu_ ? ops::DeerCell::rnn_relu : ops::DeerCell::rnn_tanh, o, hidden_, fused_) {
  require_derived_width(config, "rnn", "d_hidden", o.d_hidden);
  const Initializer uniform = init::linear_default(hidden_, std::sqrt(config.width_ratio()));
  p_ = declare_recurrent(scope, {config.d_model, hidden_, 1, config.n_layers},
                         {recurrent_weight(o.initialization, hidden_), uniform, uniform});
}

Var Rnn::forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  return output_projection(pass, p_, hidden_states(pass, x, state, at));
}

// J_t = diag(f'(h_t)) W_hh; the slope of relu, a step, has none itself.
Tangent Rnn::tangent(Pass& pass, const Var& x, const MixerState& state, int64_t vectors) const {
  MixerState after = state;
  const Var h = hidden_states(pass, x, after, {}), w_hh = use(pass, *p_.weight_hh);
  const Var slope = relu_ ? Var(step_function(h.value())) : slope_of_tanh(h);
  const Var beside = beside_vectors(slope, std::min(vectors, hidden_));
  return {hidden_, x.dtype(), [=](int64_t t, const Var& v) { return ops::mul(at_step(beside, t), ops::linear(v, w_hh)); }};
}

Var Rnn::hidden_states(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  if (!fused_) return step_by_step(pass, x, state, at.resets);
  if (!recurrence_.sequential(x)) return recurrence_.forward(pass, p_, x, state, at.resets);
  const auto r = ops::rnn(input_projection(pass, p_, x, at), use(pass, *p_.weight_hh), use(pass, *p_.bias_hh),
                          state.empty() ? Var() : state[0], at.resets,
                          relu_ ? ops::RnnActivation::relu : ops::RnnActivation::tanh);
  state = {r.last};
  return r.y;
}

Var Rnn::step_by_step(Pass& pass, const Var& x, MixerState& state, const Tensor& resets) const {
  return each_step(x, state, 1, hidden_, resets, [&](const Var& now, MixerState& s) {
    const Var sum = ops::add(input_projection(pass, p_, now), hidden_projection(pass, p_, s[0]));
    s[0] = relu_ ? ops::relu(sum) : ops::tanh(sum);
  });
}

}  // namespace adder
