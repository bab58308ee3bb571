// Optimizers over a model's parameters: one fused pass a parameter over its value, gradient and state.
//   auto optimizer = make_optimizer({.name = "adamw"}, model.parameters());
//   optimizer->step(learning_rate, clip_scale(global_norm(model.parameters()), 1.0));
// Parameters in float64 are trained in float64.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "framework/nn/module.h"

namespace adder {

struct OptimizerOptions {
  std::string name = "adamw";         // one of optimizer_names()
  double beta1 = 0.9, beta2 = 0.999;  // adamw
  double eps = 1e-8;                  // adamw, outside the root
  double weight_decay = 0.1;          // of parameters that decay; adamw: decoupled, times the rate; sgd: L2
  double momentum = 0;                // sgd
  bool nesterov = false;              // sgd; needs momentum
};

const std::vector<std::string>& optimizer_names();  // adamw, sgd

class Optimizer {
 public:
  // A named kind of state: one tensor a parameter, in the list's order and with its shapes.
  using Slot = std::pair<std::string, std::vector<Tensor>>;

  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One update of every parameter from gradient_scale * its gradient. A parameter without gradient is treated
  // as one whose gradient is zero: it decays, and so does its state. Gradients stay; the caller clears them.
  void step(double learning_rate, double gradient_scale = 1);

  // What a checkpoint keeps, and fills again with Tensor::copy_from: adamw "m" and "v", sgd with momentum
  // "momentum".
  const std::vector<Slot>& slots() const { return slots_; }
  int64_t steps() const { return steps_; }  // updates so far
  void set_steps(int64_t steps) { steps_ = steps; }

 protected:
  // `parameters` must outlive the optimizer. State starts at zero.
  Optimizer(const ParameterList& parameters, const std::vector<std::string>& slot_names);

 private:
  // Updates parameter i; steps() counts this update already.
  virtual void update(size_t i, const Parameter& parameter, const Tensor& gradient, double learning_rate,
                      double gradient_scale) = 0;

  const ParameterList& parameters_;
  std::vector<Slot> slots_;
  int64_t steps_ = 0;
};

// UsageError for an unknown name, and for sgd's nesterov without momentum.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, const ParameterList& parameters);

}  // namespace adder
