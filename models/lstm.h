// Long short-term memory as a mixer, torch.nn.LSTM's layer (rows of the weights: i, f, g, o).
//   i, f, o = sigmoid(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh),  g = tanh(the same)
//   c_t = f c_{t-1} + i g,  h_t = o tanh(c_t);  out = h, or out_proj h where its width is not d_model
// W_ih x is one product for all steps. H = d_hidden.
// Chrono initialisation (Tallec & Ollivier, 2018) for dependencies of up to T = chrono_steps: the forget gates' biases
// are log(U[1, T-1]), the input gates' minus that (b_hh is 0 there).
#pragma once
#include "framework/config/model_config.h"
#include "models/recurrence.h"

namespace adder {

struct LstmOptions : Options, RecurrenceOptions {
  int64_t d_hidden = 0;
  std::string initialization = "uniform";
  double forget_bias = 1;
  int64_t chrono_steps = 0;
  bool fused = true;
  void fields(Fields& f) override;
};

class Lstm : public Mixer {
 public:
  // UsageError where chrono_steps is 1.
  Lstm(const ModelConfig& config, const LstmOptions& options, const ParameterScope& scope);

  Var forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const override;
  std::vector<std::string> state_names() const override { return {"h", "c"}; }  // (B, H) each
  Tangent tangent(Pass& pass, const Var& x, const MixerState& state, int64_t vectors) const override;
  bool has_tangent() const override { return true; }
  bool has_mup() const override { return true; }
  // The cell path alone: f_t; the gates read the state, too.
  Decay decay(Pass& pass, const Var& x, const MixerState& state, const Stretch& at) const override;

 private:
  Var hidden_states(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const;
  Var step_by_step(Pass& pass, const Var& x, MixerState& state, const Tensor& resets) const;

  int64_t hidden_;
  bool fused_;
  RecurrentParameters p_;
  Recurrence recurrence_;
};

}  // namespace adder
