// Mamba's mixer (Gu & Dao, 2023): a gated, convolved branch through a selective state space.
//   [u, z] = in_proj x;  u = silu(conv1d u);  [dt, B, C] = x_proj u;  delta = softplus(dt_proj dt + bias)
//   h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t,  A = -exp(A_log)
//   y_t = (C_t . h_t + D u_t) silu(z_t);  out = out_proj y
// E = expand * d_model channels, N = d_state, K = d_conv, R = dt_rank.
// Switches: what is not in `selective` is a parameter instead of a projection of u (the paper's ablation); transitions
// "signed" are 2 exp(delta A) - 1, between -1 and 1 (Grazzi et al., 2024), which lets a state count modulo 2.
#pragma once
#include "framework/config/model_config.h"
#include "framework/nn/of_parameters.h"
#include "framework/ops/causal_conv1d.h"
#include "models/mixer.h"
#include "models/time_step.h"

namespace adder {

struct MambaOptions : Options, TimeStepOptions {
  int64_t d_state = 16;
  int64_t d_conv = 4;
  int64_t expand = 2;
  int64_t dt_rank = 0;
  bool bias = false;
  bool conv_bias = true;
  std::vector<std::string> selective = {"delta", "B", "C"};
  std::string transitions = "positive";
  void fields(Fields& f) override;
};

class Mamba : public Mixer {
 public:
  // UsageError where dt_min exceeds dt_max, or `selective` names something else.
  Mamba(const ModelConfig& config, const MambaOptions& options, const ParameterScope& scope);

  Var forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const override;
  // conv (B, K-1, E): the convolution's last inputs; ssm (B, E, N): h.
  std::vector<std::string> state_names() const override { return {"conv", "ssm"}; }
  std::vector<std::string> recurrent_names() const override { return {"ssm"}; }
  Decay decay(Pass& pass, const Var& x, const MixerState& state, const Stretch& at) const override;

 private:
  struct Selected {
    Var delta, B, C;
  };
  std::vector<Var> u_and_z(Pass& pass, const Var& x) const;
  ops::ConvResult convolved(Pass& pass, const Var& u, const MixerState& state, const Tensor& resets) const;
  Selected selected(Pass& pass, const Var& u) const;

  int64_t channels_, d_state_, dt_rank_;
  bool signed_;
  Parameter *in_proj_, *in_proj_bias_ = nullptr;    // (2E, D), (2E): rows of u, then of z
  Parameter *conv1d_, *conv1d_bias_ = nullptr;      // (E, K), (E)
  Parameter* x_proj_ = nullptr;                     // rows of dt (R), B (N), C (N), those that are selective, by E
  Parameter *dt_proj_ = nullptr, *dt_proj_bias_;    // (E, R), (E)
  Parameter *B_ = nullptr, *C_ = nullptr;           // (E, N), where they are not selective
  Parameter *A_log_, *D_;                           // (E, N), (E)
  OfParameters<Var> A_;                             // (E, N): -exp(A_log)
  Parameter *out_proj_, *out_proj_bias_ = nullptr;  // (D, E), (D)
};

}  // namespace adder
