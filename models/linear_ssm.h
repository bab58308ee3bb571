// The textbook state space, with dense matrices:  h' = A h + B x,  y = C h + D x
// sampled by the bilinear transform, each state with a time step of its own, dt = exp(log_dt):
//   h_t = Abar h_{t-1} + Bbar x_t,  Abar = (I - dt A / 2)^-1 (I + dt A / 2),  Bbar = (I - dt A / 2)^-1 dt B
// It trains in parallel over time and runs as a recurrence. At the start A is S4D-Lin's, as real numbers: pairs of states
// that turn, [[-1/2, -pi n], [pi n, -1/2]]. D d_model, N = d_state.
#pragma once
#include "framework/config/model_config.h"
#include "framework/nn/of_parameters.h"
#include "models/mixer.h"
#include "models/time_step.h"

namespace adder {

struct LinearSsmOptions : Options, TimeStepOptions {
  int64_t d_state = 64;
  void fields(Fields& f) override;
};

class LinearSsm : public Mixer {
 public:
  LinearSsm(const ModelConfig& config, const LinearSsmOptions& options, const ParameterScope& scope);

  Var forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const override;
  std::vector<std::string> state_names() const override { return {"h"}; }  // (B, N)

 private:
  Parameter *log_dt_, *A_, *B_;  // (N), (N, N), (N, D)
  Parameter *C_, *D_;            // (D, N), (D, D)
  struct Sampled {
    Var Abar, B, M;              // (N, N), (N, D), (N, N): Bbar = M B
  };
  OfParameters<Sampled> sampled_;
};

}  // namespace adder
