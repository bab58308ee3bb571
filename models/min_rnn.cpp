#include "models/min_rnn.h"

#include <cmath>

#include "framework/ops/linear.h"
#include "models/width.h"

namespace adder {

void MinRnnOptions::fields(Fields& f) {
  f("d_hidden", d_hidden, "width of the hidden state; 0: d_model", size_range(0));
  f("d_conv", d_conv, "taps of a causal convolution before the gates; 0: none", size_range(0));
  f.choice("candidate", candidate, {"linear", "g"}, "what a step writes: linear_h u, or the paper's g of it");
  f("bias", bias, "whether the gates and the candidate have biases");
}

MinRnn::MinRnn(const ModelConfig& config, const MinRnnOptions& o, const ParameterScope& scope,
               const std::vector<std::string>& gates)
    : candidate_(o.candidate == "g" ? ops::Candidate::g : ops::Candidate::linear) {
  const int64_t D = config.d_model, H = o.d_hidden ? o.d_hidden : D, K = o.d_conv;
  require_derived_width(config, "min_rnn", "d_hidden", o.d_hidden);
  if (K > 0) {
    conv1d_ = &scope.add("conv1d.weight", {D, K}, init::linear_default(K));
    conv1d_bias_ = &scope.add("conv1d.bias", {D}, init::linear_default(K));
  }
  std::vector<std::string> names = gates;
  names.push_back("linear_h");
  for (const std::string& name : names) {
    Parameter& weight = scope.add_hidden(name + ".weight", {H, D}, init::linear_default(D));
    projections_.push_back({&weight, o.bias ? &scope.add(name + ".bias", {H}, init::constant(0)) : nullptr});
  }
  out_proj_ =
      &scope.add_hidden("out_proj.weight", {D, H}, init::linear_default(H, 1 / std::sqrt(double(config.n_layers))));
}

std::vector<std::string> MinRnn::state_names() const {
  return conv1d_ ? std::vector<std::string>{"conv", "h"} : std::vector<std::string>{"h"};
}

ops::ConvResult MinRnn::convolved(Pass& pass, const Var& x, const MixerState& state,
                                          const Tensor& resets) const {
  const Var window = state.empty() ? Var() : state.front();
  return ops::causal_conv1d(x, use(pass, *conv1d_), use(pass, *conv1d_bias_), window, resets, false);
}

std::vector<Var> MinRnn::projected(Pass& pass, const Var& u) const {
  std::vector<Var> list;
  for (const Projection& p : projections_) list.push_back(ops::linear(u, use(pass, *p.weight), use_if(pass, p.bias)));
  return list;
}

Decay MinRnn::decay(Pass& pass, const Var& x, const MixerState& state, const Stretch& at) const {
  const std::vector<Var> gates = projected(pass, conv1d_ ? convolved(pass, x, state, at.resets).y : x);
  Decay decay{.log_abs = Tensor::empty(gates[0].shape(), DType::f64)};
  for (int64_t i = 0; i < decay.log_abs.size(); ++i) decay.log_abs.data<double>()[i] = log_decay(gates, i);
  return decay;
}

Var MinRnn::forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  Var u = x, h0 = state.empty() ? Var() : state.back();
  MixerState next;
  if (conv1d_) {
    const auto conv = convolved(pass, x, state, at.resets);
    u = conv.y;
    next.push_back(conv.last);
  }
  std::vector<Var> gates = projected(pass, u);
  const Var v = gates.back();
  gates.pop_back();
  const Scanned r = scan(gates, v, h0, at.resets);
  next.push_back(r.last);
  state = next;
  return ops::linear(r.h, use(pass, *out_proj_));
}

}  // namespace adder
