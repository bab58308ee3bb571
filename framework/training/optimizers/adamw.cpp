// AdamW (Loshchilov & Hutter, 2019); the equations are in kernels/adamw/adamw.h.
#include <cmath>

#include "framework/training/optimizers/rules.h"
#include "kernels/adamw/adamw.h"
#include "kernels/kernel.h"

namespace adder {
namespace {

class AdamW : public Optimizer {
 public:
  AdamW(const OptimizerOptions& options, const ParameterList& parameters)
      : Optimizer(parameters, {"m", "v"}), options_(options) {}

 private:
  void update(size_t i, const Parameter& p, const Tensor& gradient, double lr, double scale) override {
    adamw_update(options_, p, gradient, {slots()[0].second[i], slots()[1].second[i], steps()}, lr, scale);
  }

  OptimizerOptions options_;
};

}  // namespace

void adamw_update(const OptimizerOptions& o, const Parameter& p, const Tensor& gradient,
                  const AdamWState& state, double lr, double scale) {
  const double correction1 = 1 - std::pow(o.beta1, double(state.step));
  const double correction2 = 1 - std::pow(o.beta2, double(state.step));
  by_dtype(p.value.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::AdamW<T> a{.n = p.value.size(), .p = p.value.data<T>()};
    a.grad = gradient.defined() ? gradient.data<T>() : nullptr;
    a.m = state.m.data<T>(), a.v = state.v.data<T>();
    a.gradient_scale = T(scale);
    a.beta1 = T(o.beta1), a.one_less_beta1 = T(1 - o.beta1);
    a.beta2 = T(o.beta2), a.one_less_beta2 = T(1 - o.beta2);
    a.decay = T(p.decay ? lr * o.weight_decay : 0);
    a.rate = T(lr / correction1), a.inverse_correction2 = T(1 / correction2), a.eps = T(o.eps);
    KERNEL(adamw, T)(p.value.device(), a);
  });
}

std::unique_ptr<Optimizer> make_adamw(const OptimizerOptions& options, const ParameterList& parameters) {
  return std::make_unique<AdamW>(options, parameters);
}

}  // namespace adder
