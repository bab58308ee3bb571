// Optimizers over a model's parameters: one fused pass a parameter over its value, gradient and state.
//   auto optimizer = make_optimizer({.name = "adamw"}, model.parameters());
//   optimizer->step(learning_rate, clip_scale(global_norm(model.parameters()), 1.0));
// Where a parameter has a `rate` of its own (muP), adamw and lion move it by that share of the learning rate.
// Parameters in float64 are trained in float64. Each rule is a file of optimizers/.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "framework/nn/module.h"

namespace adder {

struct OptimizerOptions {
  std::string name = "adamw";         // one of optimizer_names()
  double beta1 = 0.9, beta2 = 0.999;  // adamw, lion, muon's adamw
  double eps = 1e-8;                  // adamw, outside the root
  double weight_decay = 0.1;          // of parameters that decay; decoupled, times the rate; sgd: L2
  double momentum = 0;                // sgd
  bool nesterov = false;              // sgd; needs momentum
  double muon_momentum = 0.95;        // muon, of its matrices
  double muon_rate_ratio = 1;         // muon: the rate of its matrices over that of all others
};

const std::vector<std::string>& optimizer_names();  // adamw, sgd, lion, muon

class Optimizer {
 public:
  // A named kind of state: one tensor a parameter, in the list's order and with its shapes; undefined where a
  // parameter has no such state.
  using Slot = std::pair<std::string, std::vector<Tensor>>;

  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One update of every parameter from gradient_scale * its gradient. A parameter without gradient is treated
  // as one whose gradient is zero: it decays, and so does its state. Gradients stay; the caller clears them.
  void step(double learning_rate, double gradient_scale = 1);

  // What a checkpoint keeps, and fills again with Tensor::copy_from: adamw "m" and "v", sgd with momentum
  // "momentum", lion "m", muon "momentum" of its matrices and "m" and "v" of all others.
  const std::vector<Slot>& slots() const { return slots_; }
  int64_t steps() const { return steps_; }  // updates so far
  void set_steps(int64_t steps) { steps_ = steps; }

 protected:
  // `parameters` must outlive the optimizer. State starts at zero.
  Optimizer(const ParameterList& parameters, const std::vector<std::string>& slot_names);
  // One more kind of state, of the parameters that `has` picks.
  void add_slot(const std::string& name, const std::function<bool(const Parameter&)>& has);

 private:
  // Updates parameter i; steps() counts this update already.
  virtual void update(size_t i, const Parameter& parameter, const Tensor& gradient, double learning_rate,
                      double gradient_scale) = 0;
  // After the last of them: a rule that goes over all parameters in one pass does it here.
  virtual void finish() {}

  const ParameterList& parameters_;
  std::vector<Slot> slots_;
  int64_t steps_ = 0;
};

// The parameters that muon orthogonalises: the matrices of the blocks, that is, of two axes, decaying, below
// "blocks.". Embedding, positions, head, vectors and state-space parameters are adamw's.
bool is_muon_matrix(const Parameter& parameter);

// UsageError for an unknown name, and for sgd's nesterov without momentum.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, const ParameterList& parameters);

}  // namespace adder
