#include "models/min_gru.h"

#include "framework/ops/min_gru.h"

namespace adder {

MinRnn::Scanned MinGru::scan(const std::vector<Var>& gates, const Var& v, const Var& h0, const Tensor& resets) const {
  const auto r = ops::min_gru(gates[0], v, h0, resets, candidate_);
  return {r.h, r.last};
}

// 1 - z
double MinGru::log_decay(const std::vector<Var>& gates, int64_t i) const { return -softplus(gates[0].value().item(i)); }

}  // namespace adder
