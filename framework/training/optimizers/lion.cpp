// Lion (Chen et al., 2023); the equations are in kernels/lion/lion.h.
#include "framework/training/optimizers/rules.h"
#include "kernels/kernel.h"
#include "kernels/lion/lion.h"

namespace adder {
namespace {

class Lion : public Optimizer {
 public:
  Lion(const OptimizerOptions& options, const ParameterList& parameters)
      : Optimizer(parameters, {"m"}), options_(options) {}

 private:
  void update(size_t i, const Parameter& p, const Tensor& gradient, double lr, double scale) override {
    const OptimizerOptions& o = options_;
    by_dtype(p.value.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::Lion<T> a{.n = p.value.size(), .p = p.value.data<T>()};
      a.grad = gradient.defined() ? gradient.data<T>() : nullptr;
      a.m = slots()[0].second[i].data<T>();
      a.gradient_scale = T(scale);
      a.beta1 = T(o.beta1), a.one_less_beta1 = T(1 - o.beta1);
      a.beta2 = T(o.beta2), a.one_less_beta2 = T(1 - o.beta2);
      a.decay = T(p.decay ? lr * o.weight_decay : 0), a.rate = T(lr * p.rate);
      KERNEL(lion, T)(p.value.device(), a);
    });
  }

  OptimizerOptions options_;
};

}  // namespace

std::unique_ptr<Optimizer> make_lion(const OptimizerOptions& options, const ParameterList& parameters) {
  return std::make_unique<Lion>(options, parameters);
}

}  // namespace adder
