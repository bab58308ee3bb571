// Mamba-2's mixer (Dao & Gu, 2024): heads that share B and C, a scalar decay each, run as state space duality.
//   [z, x, B, C, dt] = in_proj x;  [x, B, C] = silu(conv1d [x, B, C]);  y = ssd(x, dt, A, B, C) + D x
//   out = out_proj(norm(y silu(z)))        the norm by itself in each of the groups (RMSNorm)
// E = expand * d_model = H P channels in H heads of P = head_dim; G = n_groups; N = d_state; K = d_conv.
#pragma once
#include "framework/config/model_config.h"
#include "framework/nn/of_parameters.h"
#include "framework/ops/ssd.h"
#include "models/mixer.h"
#include "models/time_step.h"

namespace adder {

struct Mamba2Options : Options, TimeStepOptions {
  int64_t d_state = 64;
  int64_t d_conv = 4;
  int64_t expand = 2;
  int64_t head_dim = 0;
  int64_t n_groups = 1;
  int64_t chunk_size = 64;
  bool bias = false;
  bool conv_bias = true;
  double dt_limit_min = 0, dt_limit_max = 0;
  void fields(Fields& f) override;
};

class Mamba2 : public Mixer {
 public:
  // UsageError where head_dim does not divide the channels, n_groups the heads, or limits are crossed.
  Mamba2(const ModelConfig& config, const Mamba2Options& options, const ParameterScope& scope);

  Var forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const override;
  // conv (B, K-1, E + 2GN): the convolution's last inputs; ssm (B, H, P, N): the heads' states.
  std::vector<std::string> state_names() const override { return {"conv", "ssm"}; }
  std::vector<std::string> recurrent_names() const override { return {"ssm"}; }
  Decay decay(Pass& pass, const Var& x, const MixerState& state, const Stretch& at) const override;

 private:
  std::vector<Var> z_xBC_dt(Pass& pass, const Var& x) const;

  int64_t channels_, heads_, shared_;  // shared: G N, the width of B and of C
  double norm_eps_;
  ops::SsdOptions ssd_;
  Parameter *in_proj_, *in_proj_bias_ = nullptr;    // (2E + 2GN + H, D): rows of z, x, B, C, dt
  Parameter *conv1d_, *conv1d_bias_ = nullptr;      // (E + 2GN, K), (E + 2GN): x, B, C
  Parameter *dt_bias_, *A_log_, *D_;                // (H)
  OfParameters<Var> A_;                             // (H): -exp(A_log)
  Parameter* norm_;                                 // (E)
  Parameter *out_proj_, *out_proj_bias_ = nullptr;  // (D, E), (D)
};

}  // namespace adder
