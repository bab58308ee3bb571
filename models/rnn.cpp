#include "models/rnn.h"

#include "framework/ops/activation.h"
#include "framework/ops/add.h"
#include "framework/ops/rnn.h"

namespace adder {

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
  const Initializer uniform = init::linear_default(hidden_);
  p_ = declare_recurrent(scope, {config.d_model, hidden_, 1, config.n_layers},
                         {recurrent_weight(o.initialization, hidden_), uniform, uniform});
}

Var Rnn::forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  if (!fused_) return output_projection(pass, p_, step_by_step(pass, x, state, at.resets));
  if (!recurrence_.sequential(x))
    return output_projection(pass, p_, recurrence_.forward(pass, p_, x, state, at.resets));
  const auto r = ops::rnn(input_projection(pass, p_, x, at), use(pass, *p_.weight_hh), use(pass, *p_.bias_hh),
                          state.empty() ? Var() : state[0], at.resets,
                          relu_ ? ops::RnnActivation::relu : ops::RnnActivation::tanh);
  state = {r.last};
  return output_projection(pass, p_, r.y);
}

Var Rnn::step_by_step(Pass& pass, const Var& x, MixerState& state, const Tensor& resets) const {
  return each_step(x, state, 1, hidden_, resets, [&](const Var& now, MixerState& s) {
    const Var sum = ops::add(input_projection(pass, p_, now), hidden_projection(pass, p_, s[0]));
    s[0] = relu_ ? ops::relu(sum) : ops::tanh(sum);
  });
}

}  // namespace adder
