#include "framework/training/optimizer.h"

#include <cmath>

#include "framework/core/error.h"
#include "kernels/adamw/adamw.h"
#include "kernels/kernel.h"
#include "kernels/sgd/sgd.h"

namespace adder {
namespace {

class AdamW : public Optimizer {
 public:
  AdamW(const OptimizerOptions& options, const ParameterList& parameters)
      : Optimizer(parameters, {"m", "v"}), options_(options) {}

 private:
  void update(size_t i, const Parameter& p, const Tensor& gradient, double lr, double scale) override {
    const OptimizerOptions& o = options_;
    const double correction1 = 1 - std::pow(o.beta1, double(steps()));
    const double correction2 = 1 - std::pow(o.beta2, double(steps()));
    by_dtype(p.value.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::AdamW<T> a{.n = p.value.size(), .p = p.value.data<T>()};
      a.grad = gradient.defined() ? gradient.data<T>() : nullptr;
      a.m = slots()[0].second[i].data<T>(), a.v = slots()[1].second[i].data<T>();
      a.gradient_scale = T(scale);
      a.beta1 = T(o.beta1), a.one_less_beta1 = T(1 - o.beta1);
      a.beta2 = T(o.beta2), a.one_less_beta2 = T(1 - o.beta2);
      a.decay = T(p.decay ? lr * o.weight_decay : 0);
      a.rate = T(lr / correction1), a.inverse_correction2 = T(1 / correction2), a.eps = T(o.eps);
      KERNEL(adamw, T)(p.value.device(), a);
    });
  }

  OptimizerOptions options_;
};

class Sgd : public Optimizer {
 public:
  Sgd(const OptimizerOptions& options, const ParameterList& parameters)
      : Optimizer(parameters,
                  options.momentum != 0 ? std::vector<std::string>{"momentum"} : std::vector<std::string>{}),
        options_(options) {}

 private:
  void update(size_t i, const Parameter& p, const Tensor& gradient, double lr, double scale) override {
    by_dtype(p.value.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::Sgd<T> a{.n = p.value.size(), .p = p.value.data<T>()};
      a.grad = gradient.defined() ? gradient.data<T>() : nullptr;
      a.buffer = slots().empty() ? nullptr : slots()[0].second[i].data<T>();
      a.gradient_scale = T(scale), a.lr = T(lr), a.momentum = T(options_.momentum);
      a.weight_decay = T(p.decay ? options_.weight_decay : 0);
      a.nesterov = options_.nesterov;
      KERNEL(sgd, T)(p.value.device(), a);
    });
  }

  OptimizerOptions options_;
};

}  // namespace

Optimizer::Optimizer(const ParameterList& parameters, const std::vector<std::string>& slot_names)
    : parameters_(parameters) {
  for (const auto& name : slot_names) {
    slots_.emplace_back(name, std::vector<Tensor>{});
    for (size_t i = 0; i < parameters.size(); ++i) {
      const Tensor& value = parameters[i].value;
      slots_.back().second.push_back(Tensor::zeros(value.shape(), value.dtype(), value.device()));
    }
  }
}

void Optimizer::step(double learning_rate, double gradient_scale) {
  ++steps_;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& p = parameters_[i];
    const Tensor gradient = p.grad.defined() && !p.grad.contiguous() ? p.grad.clone() : p.grad;
    update(i, p, gradient, learning_rate, gradient_scale);
  }
}

const std::vector<std::string>& optimizer_names() {
  static const std::vector<std::string> names = {"adamw", "sgd"};
  return names;
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, const ParameterList& parameters) {
  if (options.name == "sgd" && options.nesterov && options.momentum == 0)
    throw UsageError("[optimizer] nesterov needs a momentum above 0, found 0; set optimizer.momentum");
  if (options.name == "adamw") return std::make_unique<AdamW>(options, parameters);
  if (options.name == "sgd") return std::make_unique<Sgd>(options, parameters);
  throw UsageError("[optimizer] no optimizer is called \"" + options.name + "\", expected adamw or sgd");
}

}  // namespace adder
