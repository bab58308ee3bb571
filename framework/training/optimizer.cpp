#include "framework/training/optimizer.h"

#include "framework/core/error.h"
#include "framework/core/words.h"
#include "framework/training/optimizers/rules.h"

namespace adder {
namespace {

struct Rule {
  const char* name;
  std::unique_ptr<Optimizer> (*make)(const OptimizerOptions& options, const ParameterList& parameters);
};

constexpr Rule kRules[] = {
    {"adamw", make_adamw},
    {"sgd", make_sgd},
    {"lion", make_lion},
    {"muon", make_muon},
};

}  // namespace

Optimizer::Optimizer(const ParameterList& parameters, const std::vector<std::string>& slot_names)
    : parameters_(parameters) {
  for (const auto& name : slot_names) add_slot(name, [](const Parameter&) { return true; });
}

void Optimizer::add_slot(const std::string& name, const std::function<bool(const Parameter&)>& has) {
  slots_.emplace_back(name, std::vector<Tensor>(parameters_.size()));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& value = parameters_[i].value;
    if (has(parameters_[i]))
      slots_.back().second[i] = Tensor::zeros(value.shape(), value.dtype(), value.device());
  }
}

void Optimizer::step(double learning_rate, double gradient_scale) {
  ++steps_;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& p = parameters_[i];
    const Tensor gradient = p.grad.defined() && !p.grad.contiguous() ? p.grad.clone() : p.grad;
    update(i, p, gradient, learning_rate, gradient_scale);
  }
  finish();
}

const std::vector<std::string>& optimizer_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const Rule& rule : kRules) list.push_back(rule.name);
    return list;
  }();
  return names;
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, const ParameterList& parameters) {
  for (const Rule& rule : kRules)
    if (options.name == rule.name) return rule.make(options, parameters);
  throw UsageError("[optimizer] no optimizer is called \"" + options.name + "\", expected one of " + listed(optimizer_names()));
}

}  // namespace adder
