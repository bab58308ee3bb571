// What the update rules share with the table in optimizer.cpp. Not for others.
#pragma once
#include "framework/training/optimizer.h"

namespace adder {

std::unique_ptr<Optimizer> make_adamw(const OptimizerOptions& options, const ParameterList& parameters);
std::unique_ptr<Optimizer> make_sgd(const OptimizerOptions& options, const ParameterList& parameters);
std::unique_ptr<Optimizer> make_lion(const OptimizerOptions& options, const ParameterList& parameters);
std::unique_ptr<Optimizer> make_muon(const OptimizerOptions& options, const ParameterList& parameters);

// Update `step` (from 1) of AdamW: p, m and v change. An undefined gradient is zero.
struct AdamWState {
  Tensor m, v;
  int64_t step;
};
void adamw_update(const OptimizerOptions& options, const Parameter& p, const Tensor& gradient,
                  const AdamWState& state, double learning_rate, double gradient_scale);

}  // namespace adder
