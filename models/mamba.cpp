#include "models/mamba.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/ops/activation.h"
#include "framework/ops/causal_conv1d.h"
#include "framework/ops/linear.h"
#include "framework/ops/selective_scan.h"
#include "framework/ops/view.h"

namespace adder {
namespace {

// The bias b for which softplus(b) is log-uniform between dt_min and dt_max: b = dt + log(1 - e^-dt).
Initializer dt_bias(const MambaOptions& o) {
  const double low = std::log(o.dt_min), high = std::log(o.dt_max), floor = o.dt_init_floor;
  return [=](const Random& random, int64_t i) {
    const double dt = std::max(floor, std::exp(low + (high - low) * random.uniform(uint64_t(i))));
    return dt + std::log(-std::expm1(-dt));
  };
}

// A = -1, -2, …, -N in every channel (S4D-Real).
Initializer log_one_to(int64_t n) {
  return [=](const Random&, int64_t i) { return std::log(double(1 + i % n)); };
}

Var use_if(Pass& pass, Parameter* parameter) { return parameter ? use(pass, *parameter) : Var(); }

}  // namespace

void MambaOptions::fields(Fields& f) {
  f("d_state", d_state, "state of each channel", size_range());
  f("d_conv", d_conv, "taps of the causal convolution", size_range());
  f("expand", expand, "channels in the mixer, as a multiple of d_model", size_range());
  f("dt_rank", dt_rank, "rank of the time step's projection; 0: d_model / 16, rounded up", size_range(0));
  f("bias", bias, "whether in_proj and out_proj have biases");
  f("conv_bias", conv_bias, "whether the convolution has a bias");
  f("dt_min", dt_min, "least time step at the start", above(0));
  f("dt_max", dt_max, "largest time step at the start", above(0));
  f("dt_init_floor", dt_init_floor, "time steps start at no less than this", above(0));
}

Mamba::Mamba(const ModelConfig& config, const MambaOptions& o, const ParameterScope& scope)
    : channels_(o.expand * config.d_model),
      d_state_(o.d_state),
      dt_rank_(o.dt_rank ? o.dt_rank : (config.d_model + 15) / 16) {
  if (o.dt_min > o.dt_max)
    throw UsageError("[mamba] dt_min is " + std::to_string(o.dt_min) +
                     ", expected at most dt_max = " + std::to_string(o.dt_max));
  const int64_t D = config.d_model, E = channels_, N = d_state_, K = o.d_conv, R = dt_rank_;
  in_proj_ = &scope.add("in_proj.weight", {2 * E, D}, init::linear_default(D));
  if (o.bias) in_proj_bias_ = &scope.add("in_proj.bias", {2 * E}, init::constant(0));
  conv1d_ = &scope.add("conv1d.weight", {E, K}, init::linear_default(K));
  if (o.conv_bias) conv1d_bias_ = &scope.add("conv1d.bias", {E}, init::linear_default(K));
  x_proj_ = &scope.add("x_proj.weight", {R + 2 * N, E}, init::linear_default(E));
  dt_proj_ = &scope.add("dt_proj.weight", {E, R}, init::linear_default(R));
  dt_proj_bias_ = &scope.add("dt_proj.bias", {E}, dt_bias(o));
  A_log_ = &scope.add_without_decay("A_log", {E, N}, log_one_to(N));
  D_ = &scope.add_without_decay("D", {E}, init::constant(1));
  // One residual branch a block: their sum keeps its size whatever the depth.
  out_proj_ =
      &scope.add("out_proj.weight", {D, E}, init::linear_default(E, 1 / std::sqrt(double(config.n_layers))));
  if (o.bias) out_proj_bias_ = &scope.add("out_proj.bias", {D}, init::constant(0));
}

Var Mamba::forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  const Var window = state.empty() ? Var() : state[0], h0 = state.empty() ? Var() : state[1];
  const auto uz =
      ops::split(ops::linear(x, use(pass, *in_proj_), use_if(pass, in_proj_bias_)), {channels_, channels_});
  const auto conv =
      ops::causal_conv1d(uz[0], use(pass, *conv1d_), use_if(pass, conv1d_bias_), window, at.resets, true);
  const auto dt_B_C = ops::split(ops::linear(conv.y, use(pass, *x_proj_)), {dt_rank_, d_state_, d_state_});
  ops::SelectiveScanInputs in;
  in.u = conv.y;
  in.delta = ops::linear(dt_B_C[0], use(pass, *dt_proj_));
  in.A = ops::neg_exp(use(pass, *A_log_));
  in.B = dt_B_C[1], in.C = dt_B_C[2];
  in.D = use(pass, *D_), in.z = uz[1];
  in.delta_bias = use(pass, *dt_proj_bias_);
  in.h0 = h0, in.resets = at.resets;
  const auto scan = ops::selective_scan(in);
  state = {conv.last, scan.last};
  return ops::linear(scan.y, use(pass, *out_proj_), use_if(pass, out_proj_bias_));
}

}  // namespace adder
