// Diagonal state spaces, one a channel (S4D: Gu et al., 2022), sampled by zero-order hold.
//   h_t = exp(dt A) h_{t-1} + (exp(dt A) - 1) / A u_t;  y_t = Re(C h_t) + D u_t,  dt = exp(log_dt)
// complex: A = -exp(log_A_real) + i A_imag, N/2 states that stand for their conjugates too (S4D-Lin: A = -1/2 + i pi n);
// real: A = -exp(log_A), N states (S4D-Real: A = -n). E = d_model channels, N = d_state.
#pragma once
#include "framework/config/model_config.h"
#include "framework/nn/of_parameters.h"
#include "framework/ops/zoh.h"
#include "models/mixer.h"
#include "models/time_step.h"

namespace adder {

struct S4dOptions : Options, TimeStepOptions {
  int64_t d_state = 64;
  std::string diagonal = "complex";
  void fields(Fields& f) override;
};

class S4d : public Mixer {
 public:
  // UsageError where a complex model's d_state is odd, or dt_min exceeds dt_max.
  S4d(const ModelConfig& config, const S4dOptions& options, const ParameterScope& scope);

  Var forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const override;
  std::vector<std::string> state_names() const override;  // re, and im of a complex one: (B, E, states)
  Decay decay(Pass& pass, const Var& x, const MixerState& state, const Stretch& at) const override;

 private:
  bool complex_;
  Parameter* log_dt_;                     // (E)
  Parameter *log_A_, *A_imag_ = nullptr;  // (E, N), or log_A_real and A_imag (E, N/2)
  Parameter* C_;                          // (E, N), or (E, N/2, 2): real and imaginary parts
  Parameter* D_;                          // (E)
  struct Sampled {
    ops::ZohResult by;
    Var c_re, c_im;                       // (E, states)
  };
  OfParameters<Sampled> sampled_;
};

}  // namespace adder
