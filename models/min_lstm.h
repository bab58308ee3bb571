// The minimal LSTM as a mixer:  h_t = f' h_{t-1} + (1 - f') c,  f' = f / (f + i),  f = sigmoid(linear_f u),
// i = sigmoid(linear_i u); u, c and out as in min_rnn.h.
#pragma once
#include "models/min_rnn.h"

namespace adder {

class MinLstm : public MinRnn {
 public:
  MinLstm(const ModelConfig& config, const MinRnnOptions& options, const ParameterScope& scope)
      : MinRnn(config, options, scope, {"linear_f", "linear_i"}) {}

 protected:
  Scanned scan(const std::vector<Var>& gates, const Var& v, const Var& h0, const Tensor& resets) const override;
  double log_decay(const std::vector<Var>& gates, int64_t i) const override;
};

}  // namespace adder
