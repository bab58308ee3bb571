// Stochastic gradient descent, as torch.optim.SGD; the equations are in kernels/sgd/sgd.h.
#include "framework/core/error.h"
#include "framework/training/optimizers/rules.h"
#include "kernels/kernel.h"
#include "kernels/sgd/sgd.h"

namespace adder {
namespace {

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

std::unique_ptr<Optimizer> make_sgd(const OptimizerOptions& options, const ParameterList& parameters) {
  if (options.nesterov && options.momentum == 0)
    throw UsageError("[optimizer] nesterov needs a momentum above 0, found 0; set optimizer.momentum");
  return std::make_unique<Sgd>(options, parameters);
}

}  // namespace adder
