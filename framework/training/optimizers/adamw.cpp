// AdamW (Loshchilov & Hutter, 2019); the equations are in kernels/adamw/adamw.h.
#include <cmath>
#include <vector>

#include "framework/training/optimizers/rules.h"
#include "kernels/adamw/adamw.h"
#include "kernels/kernel.h"

namespace adder {
namespace {

template <class T>
kernels::AdamW<T> arguments(const OptimizerOptions& o, const Parameter& p, const Tensor& gradient, const AdamWState& state,
                            double lr, double scale) {
  const double correction1 = 1 - std::pow(o.beta1, double(state.step));
  const double correction2 = 1 - std::pow(o.beta2, double(state.step));
  kernels::AdamW<T> a{.n = p.value.size(), .p = p.value.data<T>()};
  a.grad = gradient.defined() ? gradient.data<T>() : nullptr;
  a.m = state.m.data<T>(), a.v = state.v.data<T>();
  a.gradient_scale = T(scale);
  a.beta1 = T(o.beta1), a.one_less_beta1 = T(1 - o.beta1);
  a.beta2 = T(o.beta2), a.one_less_beta2 = T(1 - o.beta2);
  a.decay = T(p.decay ? lr * o.weight_decay : 0);
  a.rate = T(lr * p.rate / correction1), a.inverse_correction2 = T(1 / correction2), a.eps = T(o.eps);
  return a;
}

// All parameters in one pass, as they are small beside what it costs to start one.
class AdamW : public Optimizer {
 public:
  AdamW(const OptimizerOptions& options, const ParameterList& parameters)
      : Optimizer(parameters, {"m", "v"}), options_(options), dtype_(parameters.dtype()) {}

 private:
  void update(size_t i, const Parameter& p, const Tensor& gradient, double lr, double scale) override {
    const AdamWState state{slots()[0].second[i], slots()[1].second[i], steps()};
    gradients_.push_back(gradient);
    if (dtype_ == DType::f64) doubles_.push_back(arguments<double>(options_, p, gradient, state, lr, scale));
    else floats_.push_back(arguments<float>(options_, p, gradient, state, lr, scale));
  }
  void finish() override {
    run(floats_), run(doubles_);
    gradients_.clear();
  }
  template <class T>
  static void run(std::vector<kernels::AdamW<T>>& parts) {
    if (!parts.empty()) KERNEL(adamw_parts, T)(Device::cpu, {parts.data(), int64_t(parts.size())});
    parts.clear();
  }

  OptimizerOptions options_;
  DType dtype_;
  std::vector<Tensor> gradients_;  // alive until the pass is done
  std::vector<kernels::AdamW<float>> floats_;
  std::vector<kernels::AdamW<double>> doubles_;
};

}  // namespace

void adamw_update(const OptimizerOptions& o, const Parameter& p, const Tensor& gradient,
                  const AdamWState& state, double lr, double scale) {
  by_dtype(p.value.dtype(), [&](auto zero) {
    using T = decltype(zero);
    KERNEL(adamw, T)(p.value.device(), arguments<T>(o, p, gradient, state, lr, scale));
  });
}

std::unique_ptr<Optimizer> make_adamw(const OptimizerOptions& options, const ParameterList& parameters) {
  return std::make_unique<AdamW>(options, parameters);
}

}  // namespace adder
