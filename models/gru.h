// Gated recurrent unit as a mixer, torch.nn.GRU's layer (rows of the weights: r, z, n; two biases).
//   r, z = sigmoid(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh),  n = tanh(W_in x_t + b_in + r (W_hn h_{t-1} + b_hn))
//   h_t = (1 - z) n + z h_{t-1};  out = h, or out_proj h where its width is not d_model
// W_ih x is one product for all steps. H = d_hidden.
#pragma once
#include "framework/config/model_config.h"
#include "models/recurrence.h"

namespace adder {

struct GruOptions : Options, RecurrenceOptions {
  int64_t d_hidden = 0;
  std::string initialization = "uniform";
  bool fused = true;
  void fields(Fields& f) override;
};

class Gru : public Mixer {
 public:
  Gru(const ModelConfig& config, const GruOptions& options, const ParameterScope& scope);

  Var forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const override;
  std::vector<std::string> state_names() const override { return {"h"}; }  // (B, H)
  Tangent tangent(Pass& pass, const Var& x, const MixerState& state, int64_t vectors) const override;
  bool has_tangent() const override { return true; }
  bool has_mup() const override { return true; }
  // The direct path alone: z_t; the gates read the state, too.
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
