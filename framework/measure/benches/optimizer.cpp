// One update of AdamW, by parameters.
#include <cmath>

#include "framework/measure/benches/families.h"
#include "framework/nn/module.h"
#include "framework/training/optimizer.h"
#include "kernels/adamw/ref.h"

namespace adder {
namespace {

constexpr double kRate = 0.01;

// One parameter of n elements, with a gradient.
std::shared_ptr<ParameterList> parameters(int64_t n, DType dtype) {
  auto list = std::make_shared<ParameterList>(1, dtype);
  list->add("p", {n}, init::normal(1), false).grad = normal_input({n}, 2).to(dtype);
  return list;
}

CheckReport check() {
  const int64_t n = 37;
  const auto list = parameters(n, DType::f64);
  const Parameter& p = (*list)[0];
  kernels::Arrays<double> in;
  for (const Tensor& x : {p.value, p.grad, Tensor::zeros({n}, DType::f64), Tensor::zeros({n}, DType::f64)}) {
    in.emplace_back(std::vector<int64_t>{n});
    for (int64_t i = 0; i < n; ++i) in.back()(i) = x.item(i);
  }
  const auto want = kernels::ref::adamw(in, {.lr = kRate, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8});
  make_optimizer({.name = "adamw", .weight_decay = 0}, *list)->step(kRate);
  double worst = 0;
  for (int64_t i = 0; i < n; ++i) worst = std::max(worst, std::abs(want[0](i) - p.value.item(i)));
  return {"adamw differs from its definition by " + std::to_string(worst), worst < 1e-12};
}

}  // namespace

std::vector<KernelBench> optimizer_benches() {
  std::vector<KernelBench> benches;
  for (const int64_t n : {int64_t(800000), int64_t(10000000)})
    benches.push_back({"adamw " + std::to_string(n), check, [n] {
                         const auto list = parameters(n, DType::f32);
                         const std::shared_ptr<Optimizer> optimizer = make_optimizer({.name = "adamw"}, *list);
                         // value, m and v are read and written, the gradient is read
                         return Timed{[list, optimizer] { optimizer->step(kRate); }, {.bytes = 7.0 * 4 * double(n)}};
                       }});
  return benches;
}

}  // namespace adder
