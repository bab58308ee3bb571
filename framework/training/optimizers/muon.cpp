// Muon (Jordan, 2024) for the matrices of the blocks, AdamW for all other parameters:
//   m = mu m + (1 - mu) g,  u = newton_schulz((1 - mu) g + mu m),
//   p = p (1 - rate weight_decay) - rate sqrt(max(1, rows / columns)) u,
//   rate = muon_rate_ratio * learning rate
// The iteration is in kernels/newton_schulz, in the parameter's own precision.
#include <algorithm>
#include <cmath>

#include "framework/training/optimizers/rules.h"
#include "kernels/kernel.h"
#include "kernels/muon/muon.h"
#include "kernels/newton_schulz/newton_schulz.h"

namespace adder {
namespace {

template <class T>
Tensor orthogonalised(const Tensor& u) {
  const int64_t rows = u.dim(0), columns = u.dim(1), k = std::min(rows, columns);
  const Tensor x = Tensor::like(u), spare = Tensor::like(u);
  const Tensor a = Tensor::empty({k, k}, u.dtype(), u.device()), b = Tensor::like(a);
  kernels::NewtonSchulz<T> s{.rows = rows, .columns = columns, .g = u.data<T>(), .x = x.data<T>()};
  s.spare = spare.data<T>(), s.a = a.data<T>(), s.b = b.data<T>();
  KERNEL(newton_schulz, T)(u.device(), s);
  return x;
}

class Muon : public Optimizer {
 public:
  Muon(const OptimizerOptions& options, const ParameterList& parameters)
      : Optimizer(parameters, {}), options_(options) {
    const auto others = [](const Parameter& p) { return !is_muon_matrix(p); };
    add_slot("momentum", is_muon_matrix);
    add_slot("m", others);
    add_slot("v", others);
  }

 private:
  void update(size_t i, const Parameter& p, const Tensor& gradient, double lr, double scale) override {
    if (!is_muon_matrix(p))
      adamw_update(options_, p, gradient, {slots()[1].second[i], slots()[2].second[i], steps()}, lr, scale);
    else if (p.value.size() > 0)
      by_dtype(p.value.dtype(), [&](auto zero) {
        update_matrix<decltype(zero)>(i, p, gradient, lr * options_.muon_rate_ratio, scale);
      });
  }

  template <class T>
  void update_matrix(size_t i, const Parameter& p, const Tensor& gradient, double rate, double scale) {
    const double mu = options_.muon_momentum;
    const Tensor ahead = Tensor::like(p.value);
    kernels::Muon<T> a{.n = p.value.size()};
    a.grad = gradient.defined() ? gradient.data<T>() : nullptr;
    a.m = slots()[0].second[i].data<T>(), a.u = ahead.data<T>();
    a.gradient_scale = T(scale), a.momentum = T(mu), a.one_less_momentum = T(1 - mu);
    KERNEL(muon_momentum, T)(p.value.device(), a);
    const Tensor u = orthogonalised<T>(ahead);
    const double shape = std::sqrt(std::max(1.0, double(p.value.dim(0)) / double(p.value.dim(1))));
    a.u = u.data<T>(), a.p = p.value.data<T>();
    a.decay = T(rate * options_.weight_decay), a.rate = T(rate * shape);
    KERNEL(muon_update, T)(p.value.device(), a);
  }

  OptimizerOptions options_;
};

}  // namespace

bool is_muon_matrix(const Parameter& p) {
  return p.value.rank() == 2 && p.decay && p.name.starts_with("blocks.");
}

std::unique_ptr<Optimizer> make_muon(const OptimizerOptions& options, const ParameterList& parameters) {
  return std::make_unique<Muon>(options, parameters);
}

}  // namespace adder
