// The minimal GRU as a mixer:  h_t = (1 - z) h_{t-1} + z c,  z = sigmoid(linear_z u); u, c and out as in min_rnn.h.
#pragma once
#include "models/min_rnn.h"

namespace adder {

class MinGru : public MinRnn {
 public:
  MinGru(const ModelConfig& config, const MinRnnOptions& options, const ParameterScope& scope)
      : MinRnn(config, options, scope, {"linear_z"}) {}

 protected:
  Scanned scan(const std::vector<Var>& gates, const Var& v, const Var& h0, const Tensor& resets) const override;
  double log_decay(const std::vector<Var>& gates, int64_t i) const override;
};

}  // namespace adder
