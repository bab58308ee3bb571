// The linear recurrent unit (Orvieto et al., 2023): one complex diagonal recurrence of N states for all channels.
//   lambda = exp(-exp(nu_log) + i exp(theta_log));  h_t = lambda h_{t-1} + exp(gamma_log) (B u_t);  y_t = Re(C h_t) + D u_t
// The exponential parametrisation keeps |lambda| below 1. At the start lambda is uniform in the ring r_min to r_max (by
// area), of phase up to max_phase, and gamma = sqrt(1 - |lambda|^2). E = d_model channels, N = d_state.
#pragma once
#include "framework/config/model_config.h"
#include "framework/nn/of_parameters.h"
#include "models/mixer.h"

namespace adder {

struct LruOptions : Options {
  int64_t d_state = 0;
  double r_min = 0, r_max = 0.999;
  double max_phase = 6.283185307179586;
  void fields(Fields& f) override;
};

class Lru : public Mixer {
 public:
  // UsageError where r_min is not below r_max.
  Lru(const ModelConfig& config, const LruOptions& options, const ParameterScope& scope);

  Var forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const override;
  std::vector<std::string> state_names() const override { return {"re", "im"}; }  // (B, N) each
  Decay decay(Pass& pass, const Var& x, const MixerState& state, const Stretch& at) const override;

 private:
  Parameter *nu_log_, *theta_log_, *gamma_log_;  // (N)
  Parameter *B_re_, *B_im_, *C_re_, *C_im_;      // (N, E), (E, N)
  Parameter* D_;                                 // (E)
  struct Sampled {
    Var a_re, a_im;                              // (N): lambda
    Var B_re, B_im, minus_C_im;                  // B times exp(gamma_log), and C's other half negated
  };
  OfParameters<Sampled> sampled_;
};

}  // namespace adder
