#include "models/mamba2.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/core/error.h"
#include "framework/ops/activation.h"
#include "framework/ops/causal_conv1d.h"
#include "framework/ops/linear.h"
#include "framework/ops/rms_norm_gated.h"
#include "framework/ops/view.h"

namespace adder {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw UsageError("[mamba2] " + what); }

// The largest width up to 64 that divides the channels.
int64_t default_head_dim(int64_t channels) {
  int64_t width = 64;
  while (channels % width != 0) --width;
  return width;
}

int64_t heads_of(int64_t channels, const Mamba2Options& o) {
  const int64_t width = o.head_dim ? o.head_dim : default_head_dim(channels);
  if (channels % width != 0)
    refuse("head_dim is " + std::to_string(width) + ", expected a divisor of expand * d_model = " +
           std::to_string(channels));
  const int64_t heads = channels / width;
  if (heads % o.n_groups != 0)
    refuse("n_groups is " + std::to_string(o.n_groups) + ", expected a divisor of the heads, " +
           std::to_string(heads));
  return heads;
}

ops::SsdOptions ssd_options(const Mamba2Options& o) {
  const double most = o.dt_limit_max > 0 ? o.dt_limit_max : std::numeric_limits<double>::infinity();
  if (o.dt_limit_min > most)
    refuse("dt_limit_min is " + std::to_string(o.dt_limit_min) + ", expected at most dt_limit_max = " +
           std::to_string(most));
  return {o.n_groups, o.chunk_size, o.dt_limit_min, most};
}

// A uniform between -16 and -1.
Initializer log_of_uniform(double low, double high) {
  return [=](const Random& random, int64_t i) { return std::log(low + (high - low) * random.uniform(uint64_t(i))); };
}

}  // namespace

void Mamba2Options::fields(Fields& f) {
  f("d_state", d_state, "state of each channel", size_range());
  f("d_conv", d_conv, "taps of the causal convolution", size_range());
  f("expand", expand, "channels in the mixer, as a multiple of d_model", size_range());
  f("head_dim", head_dim, "channels that share a decay; 0: the largest divisor of the channels up to 64", size_range(0));
  f("n_groups", n_groups, "groups of heads that share B and C", size_range());
  f("chunk_size", chunk_size, "steps that are one matrix product; moves results by rounding alone", size_range());
  f("bias", bias, "whether in_proj and out_proj have biases");
  f("conv_bias", conv_bias, "whether the convolution has a bias");
  f("dt_limit_min", dt_limit_min, "time steps are at least this", at_least(0));
  f("dt_limit_max", dt_limit_max, "time steps are at most this; 0: no limit", at_least(0));
  TimeStepOptions::fields(f);
}

Mamba2::Mamba2(const ModelConfig& config, const Mamba2Options& o, const ParameterScope& scope)
    : channels_(o.expand * config.d_model),
      heads_(heads_of(channels_, o)),
      shared_(o.n_groups * o.d_state),
      norm_eps_(config.norm_eps),
      ssd_(ssd_options(o)) {
  o.check("mamba2");
  const int64_t D = config.d_model, E = channels_, convolved = E + 2 * shared_, projected = E + convolved + heads_;
  in_proj_ = &scope.add("in_proj.weight", {projected, D}, init::linear_default(D));
  if (o.bias) in_proj_bias_ = &scope.add("in_proj.bias", {projected}, init::constant(0));
  conv1d_ = &scope.add("conv1d.weight", {convolved, o.d_conv}, init::linear_default(o.d_conv));
  if (o.conv_bias) conv1d_bias_ = &scope.add("conv1d.bias", {convolved}, init::linear_default(o.d_conv));
  dt_bias_ = &scope.add_without_decay("dt_bias", {heads_}, init::softplus_time_step(o));
  A_log_ = &scope.add_without_decay("A_log", {heads_}, log_of_uniform(1, 16));
  D_ = &scope.add_without_decay("D", {heads_}, init::constant(1));
  norm_ = &scope.add("norm.weight", {E}, init::constant(1));
  // One residual branch a block: their sum keeps its size whatever the depth.
  out_proj_ =
      &scope.add("out_proj.weight", {D, E}, init::linear_default(E, 1 / std::sqrt(double(config.n_layers))));
  if (o.bias) out_proj_bias_ = &scope.add("out_proj.bias", {D}, init::constant(0));
}

std::vector<Var> Mamba2::z_xBC_dt(Pass& pass, const Var& x) const {
  return ops::split(ops::linear(x, use(pass, *in_proj_), use_if(pass, in_proj_bias_)),
                    {channels_, channels_ + 2 * shared_, heads_});
}

Decay Mamba2::decay(Pass& pass, const Var& x, const MixerState&, const Stretch&) const {
  const Tensor dt = z_xBC_dt(pass, x)[2].value();
  Decay decay;
  decay.each = channels_ / heads_ * (shared_ / ssd_.groups);  // P N numbers of a head
  decay.log_abs = Tensor::empty({x.dim(0), x.dim(1), heads_}, DType::f64);
  for (int64_t i = 0; i < decay.log_abs.size(); ++i) {
    const int64_t head = i % heads_;
    const double step = std::clamp(softplus(dt.item(i) + dt_bias_->value.item(head)), ssd_.dt_min, ssd_.dt_max);
    decay.log_abs.data<double>()[i] = -step * std::exp(A_log_->value.item(head));
  }
  return decay;
}

Var Mamba2::forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  const Var window = state.empty() ? Var() : state[0], h0 = state.empty() ? Var() : state[1];
  const auto parts = z_xBC_dt(pass, x);
  const Var z = parts[0], dt = parts[2];
  const auto conv =
      ops::causal_conv1d(parts[1], use(pass, *conv1d_), use_if(pass, conv1d_bias_), window, at.resets, true);
  const auto xBC = ops::split(conv.y, {channels_, shared_, shared_});
  ops::SsdInputs in;
  in.x = xBC[0], in.B = xBC[1], in.C = xBC[2], in.dt = dt;
  in.A = A_(pass, *in_proj_, [&] { return ops::neg_exp(use(pass, *A_log_)); });
  in.D = use(pass, *D_), in.dt_bias = use(pass, *dt_bias_);
  in.h0 = h0, in.resets = at.resets;
  const auto scan = ops::ssd(in, ssd_);
  state = {conv.last, scan.last};
  const Var y = ops::rms_norm_gated(scan.y, z, use(pass, *norm_), ssd_.groups, norm_eps_);
  return ops::linear(y, use(pass, *out_proj_), use_if(pass, out_proj_bias_));
}

}  // namespace adder
