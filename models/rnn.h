// Elman's recurrent network as a mixer, torch.nn.RNN's layer.
//   h_t = f(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh);  out = h, or out_proj h where its width is not d_model
// W_ih x is one product for all steps. H = d_hidden.
#pragma once
#include "framework/config/model_config.h"
#include "models/recurrence.h"

namespace adder {

struct RnnOptions : Options, RecurrenceOptions {
  int64_t d_hidden = 0;
  std::string nonlinearity = "tanh";
  std::string initialization = "uniform";
  bool fused = true;
  void fields(Fields& f) override;
};

class Rnn : public Mixer {
 public:
  Rnn(const ModelConfig& config, const RnnOptions& options, const ParameterScope& scope);

  Var forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const override;
  std::vector<std::string> state_names() const override { return {"h"}; }  // (B, H)
  Tangent tangent(Pass& pass, const Var& x, const MixerState& state, int64_t vectors) const override;
  bool has_tangent() const override { return !relu_; }  // rectified units that rest leave no rank to follow
  bool has_mup() const override { return true; }

 private:
  Var hidden_states(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const;
  Var step_by_step(Pass& pass, const Var& x, MixerState& state, const Tensor& resets) const;

  int64_t hidden_;
  bool relu_, fused_;
  RecurrentParameters p_;
  Recurrence recurrence_;
};

}  // namespace adder
