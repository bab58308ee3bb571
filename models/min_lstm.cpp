#include "models/min_lstm.h"

#include "framework/ops/min_lstm.h"

namespace adder {

MinRnn::Scanned MinLstm::scan(const std::vector<Var>& gates, const Var& v, const Var& h0, const Tensor& resets) const {
  const auto r = ops::min_lstm(gates[0], gates[1], v, h0, resets, candidate_);
  return {r.h, r.last};
}

// f / (f + i) = 1 / (1 + i / f)
double MinLstm::log_decay(const std::vector<Var>& gates, int64_t i) const {
  return -softplus(log_sigmoid(gates[1].value().item(i)) - log_sigmoid(gates[0].value().item(i)));
}

}  // namespace adder
