// What minGRU and minLSTM (Feng et al., 2024) share: gates that see the input alone, so that time is a scan.
//   u = conv1d x, if there is one;  c = linear_h u, or g of it (x + 1/2 where x >= 0, sigmoid(x) below);  out = out_proj h
// It is the direct scan; the paper's form in logarithms, which needs g, has the same values and loses digits.
// D d_model, H = d_hidden, K = d_conv.
#pragma once
#include "framework/config/model_config.h"
#include "framework/ops/causal_conv1d.h"
#include "framework/ops/min_gru.h"
#include "models/mixer.h"

namespace adder {

struct MinRnnOptions : Options {
  int64_t d_hidden = 0;
  int64_t d_conv = 0;
  std::string candidate = "linear";
  bool bias = true;
  void fields(Fields& f) override;
};

class MinRnn : public Mixer {
 public:
  Var forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const override;
  // conv (B, K-1, D), the convolution's last inputs, where there is one; h (B, H).
  std::vector<std::string> state_names() const override;
  std::vector<std::string> recurrent_names() const override { return {"h"}; }
  bool has_mup() const override { return true; }
  Decay decay(Pass& pass, const Var& x, const MixerState& state, const Stretch& at) const override;

 protected:
  MinRnn(const ModelConfig& config, const MinRnnOptions& options, const ParameterScope& scope,
         const std::vector<std::string>& gates);
  struct Scanned {
    Var h, last;
  };
  // From the gates' pre-activations, in their order, and the candidate's.
  virtual Scanned scan(const std::vector<Var>& gates, const Var& v, const Var& h0, const Tensor& resets) const = 0;
  // log a of h_t = a h_{t-1} + ..., element i, from the gates' pre-activations
  virtual double log_decay(const std::vector<Var>& gates, int64_t i) const = 0;
  ops::Candidate candidate_;

 private:
  struct Projection {
    Parameter *weight, *bias;  // (H, D), (H) or null
  };
  ops::ConvResult convolved(Pass& pass, const Var& x, const MixerState& state, const Tensor& resets) const;
  std::vector<Var> projected(Pass& pass, const Var& u) const;  // the gates, then the candidate

  Parameter *conv1d_ = nullptr, *conv1d_bias_ = nullptr;  // (D, K), (D)
  std::vector<Projection> projections_;                   // the gates', then the candidate's
  Parameter* out_proj_;                                   // (D, H)
};

}  // namespace adder
