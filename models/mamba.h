// Mamba's mixer (Gu & Dao, 2023): a gated, convolved branch through a selective state space.
//   [u, z] = in_proj x;  u = silu(conv1d u);  [dt, B, C] = x_proj u;  delta = softplus(dt_proj dt + bias)
//   h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t,  A = -exp(A_log)
//   y_t = (C_t . h_t + D u_t) silu(z_t);  out = out_proj y
// E = expand * d_model channels, N = d_state, K = d_conv, R = dt_rank.
#pragma once
#include "framework/config/model_config.h"
#include "models/mixer.h"

namespace adder {

struct MambaOptions : Options {
  int64_t d_state = 16;
  int64_t d_conv = 4;
  int64_t expand = 2;
  int64_t dt_rank = 0;
  bool bias = false;
  bool conv_bias = true;
  double dt_min = 1e-3, dt_max = 1e-1, dt_init_floor = 1e-4;
  void fields(Fields& f) override;
};

class Mamba : public Mixer {
 public:
  // UsageError where dt_min exceeds dt_max.
  Mamba(const ModelConfig& config, const MambaOptions& options, const ParameterScope& scope);

  Var forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const override;
  // conv (B, K-1, E): the convolution's last inputs; ssm (B, E, N): h.
  std::vector<std::string> state_names() const override { return {"conv", "ssm"}; }

 private:
  int64_t channels_, d_state_, dt_rank_;
  Parameter *in_proj_, *in_proj_bias_ = nullptr;    // (2E, D), (2E): rows of u, then of z
  Parameter *conv1d_, *conv1d_bias_ = nullptr;      // (E, K), (E)
  Parameter* x_proj_;                               // (R + 2N, E): rows of dt, B, C
  Parameter *dt_proj_, *dt_proj_bias_;              // (E, R), (E)
  Parameter *A_log_, *D_;                           // (E, N), (E)
  Parameter *out_proj_, *out_proj_bias_ = nullptr;  // (D, E), (D)
};

}  // namespace adder
