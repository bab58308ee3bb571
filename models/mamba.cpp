#include "models/mamba.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/ops/activation.h"
#include "framework/ops/linear.h"
#include "framework/ops/selective_scan.h"
#include "framework/ops/view.h"

namespace adder {
namespace {

struct Selective {
  bool delta = false, B = false, C = false;

  explicit Selective(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      bool* flag = name == "delta" ? &delta : name == "B" ? &B : name == "C" ? &C : nullptr;
      if (!flag)
        throw UsageError("[mamba] selective names \"" + name + R"(", expected some of "delta", "B", "C")");
      *flag = true;
    }
  }
};

}  // namespace

void MambaOptions::fields(Fields& f) {
  f("d_state", d_state, "state of each channel", size_range());
  f("d_conv", d_conv, "taps of the causal convolution", size_range());
  f("expand", expand, "channels in the mixer, as a multiple of d_model", size_range());
  f("dt_rank", dt_rank, "rank of the time step's projection; 0: d_model / 16, rounded up", size_range(0));
  f("bias", bias, "whether in_proj and out_proj have biases");
  f("conv_bias", conv_bias, "whether the convolution has a bias");
  f("selective", selective, "which of delta, B and C depend on the input; the others are parameters");
  f.choice("transitions", transitions, {"positive", "signed"},
           "of the state: exp(delta A), between 0 and 1, or 2 exp(delta A) - 1, between -1 and 1");
  TimeStepOptions::fields(f);
}

Mamba::Mamba(const ModelConfig& config, const MambaOptions& o, const ParameterScope& scope)
    : channels_(o.expand * config.d_model),
      d_state_(o.d_state),
      dt_rank_(o.dt_rank ? o.dt_rank : (config.d_model + 15) / 16),
      signed_(o.transitions == "signed") {
  o.check("mamba");
  const Selective selective(o.selective);
  const int64_t D = config.d_model, E = channels_, N = d_state_, K = o.d_conv, R = dt_rank_;
  const int64_t selected = (selective.delta ? R : 0) + (selective.B ? N : 0) + (selective.C ? N : 0);
  in_proj_ = &scope.add("in_proj.weight", {2 * E, D}, init::linear_default(D));
  if (o.bias) in_proj_bias_ = &scope.add("in_proj.bias", {2 * E}, init::constant(0));
  conv1d_ = &scope.add("conv1d.weight", {E, K}, init::linear_default(K));
  if (o.conv_bias) conv1d_bias_ = &scope.add("conv1d.bias", {E}, init::linear_default(K));
  if (selected) x_proj_ = &scope.add("x_proj.weight", {selected, E}, init::linear_default(E));
  if (selective.delta) dt_proj_ = &scope.add("dt_proj.weight", {E, R}, init::linear_default(R));
  dt_proj_bias_ = &scope.add("dt_proj.bias", {E}, init::softplus_time_step(o));
  if (!selective.B) B_ = &scope.add_without_decay("B", {E, N}, init::constant(1));
  if (!selective.C) C_ = &scope.add_without_decay("C", {E, N}, init::normal(1));
  A_log_ = &scope.add_without_decay("A_log", {E, N}, init::log_one_to(N));
  D_ = &scope.add_without_decay("D", {E}, init::constant(1));
  // One residual branch a block: their sum keeps its size whatever the depth.
  out_proj_ =
      &scope.add("out_proj.weight", {D, E}, init::linear_default(E, 1 / std::sqrt(double(config.n_layers))));
  if (o.bias) out_proj_bias_ = &scope.add("out_proj.bias", {D}, init::constant(0));
}

Mamba::Selected Mamba::selected(Pass& pass, const Var& u) const {
  Selected s;
  if (B_) s.B = use(pass, *B_);
  if (C_) s.C = use(pass, *C_);
  if (!x_proj_) return s;
  std::vector<int64_t> sizes;
  if (dt_proj_) sizes.push_back(dt_rank_);
  if (!B_) sizes.push_back(d_state_);
  if (!C_) sizes.push_back(d_state_);
  const auto parts = ops::split(ops::linear(u, use(pass, *x_proj_)), sizes);
  size_t next = 0;
  if (dt_proj_) s.delta = ops::linear(parts[next++], use(pass, *dt_proj_));
  if (!B_) s.B = parts[next++];
  if (!C_) s.C = parts[next++];
  return s;
}

std::vector<Var> Mamba::u_and_z(Pass& pass, const Var& x) const {
  return ops::split(ops::linear(x, use(pass, *in_proj_), use_if(pass, in_proj_bias_)), {channels_, channels_});
}

ops::ConvResult Mamba::convolved(Pass& pass, const Var& u, const MixerState& state,
                                         const Tensor& resets) const {
  const Var window = state.empty() ? Var() : state[0];
  return ops::causal_conv1d(u, use(pass, *conv1d_), use_if(pass, conv1d_bias_), window, resets, true);
}

Decay Mamba::decay(Pass& pass, const Var& x, const MixerState& state, const Stretch& at) const {
  const Var u = convolved(pass, u_and_z(pass, x)[0], state, at.resets).y;
  const Tensor delta = selected(pass, u).delta.value();
  const Tensor log_abs = Tensor::empty({x.dim(0), x.dim(1), channels_ * d_state_}, DType::f64);
  double* out = log_abs.data<double>();
  for (int64_t t = 0; t < x.dim(0) * x.dim(1); ++t)
    for (int64_t e = 0; e < channels_; ++e) {
      const double sum = (delta.defined() ? delta.item(t * channels_ + e) : 0) + dt_proj_bias_->value.item(e);
      for (int64_t n = 0; n < d_state_; ++n) {
        const double log_a = -softplus(sum) * std::exp(A_log_->value.item(e * d_state_ + n));
        *out++ = signed_ ? std::log(std::abs(2 * std::exp(log_a) - 1)) : log_a;
      }
    }
  return {log_abs};
}

Var Mamba::forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  const Var h0 = state.empty() ? Var() : state[1];
  const auto uz = u_and_z(pass, x);
  const auto conv = convolved(pass, uz[0], state, at.resets);
  const Selected s = selected(pass, conv.y);
  ops::SelectiveScanInputs in;
  in.u = conv.y;
  in.delta = s.delta, in.B = s.B, in.C = s.C;
  in.A = A_(pass, *A_log_, [&] { return ops::neg_exp(use(pass, *A_log_)); });
  in.D = use(pass, *D_), in.z = uz[1];
  in.delta_bias = use(pass, *dt_proj_bias_);
  in.h0 = h0, in.resets = at.resets;
  const auto scan = ops::selective_scan(in, true, signed_);
  state = {conv.last, scan.last};
  return ops::linear(scan.y, use(pass, *out_proj_), use_if(pass, out_proj_bias_));
}

}  // namespace adder
