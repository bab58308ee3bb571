// One update of each optimizer, by parameters or by a matrix's rows x columns, and the norm of a gradient.
#include <cmath>

#include "framework/measure/benches/families.h"
#include "framework/nn/module.h"
#include "framework/training/clip.h"
#include "framework/training/optimizer.h"
#include "kernels/adamw/ref.h"
#include "kernels/kernel.h"
#include "kernels/lion/ref.h"
#include "kernels/muon/ref.h"
#include "kernels/newton_schulz/newton_schulz.h"
#include "kernels/sgd/ref.h"

namespace adder {
namespace {

constexpr double kRate = 0.01, kDigits = 1e-12;
using Numbers = kernels::Arrays<double>;

// One parameter, with a gradient; a matrix is one of those that Muon takes.
std::shared_ptr<ParameterList> parameters(const Shape& shape, DType dtype) {
  auto list = std::make_shared<ParameterList>(1, dtype);
  list->add("blocks.0.p", shape, init::normal(1), shape.size() == 2).grad = normal_input(shape, 2).to(dtype);
  return list;
}

kernels::Array<double> numbers(const Tensor& x) {
  kernels::Array<double> all(std::vector<int64_t>(x.shape().begin(), x.shape().end()));
  for (int64_t i = 0; i < x.size(); ++i) all.data[size_t(i)] = x.item(i);
  return all;
}

CheckReport within(const std::string& name, double error) {
  return {name + " differs from its definition by " + std::to_string(error), error < kDigits};
}

// A rule: its options, and what one step from a state of zero makes of the parameter, its gradient and its states.
struct Rule {
  OptimizerOptions options;
  std::function<Numbers(const Numbers&)> want;
  Sizes small;
  std::vector<Sizes> large;
  double copies;  // of the parameters that an update reads or writes
};

std::vector<Rule> rules() {
  const std::vector<Sizes> sizes = {{800000}, {10000000}};
  return {
      {{.name = "adamw", .weight_decay = 0},
       [](const Numbers& in) { return kernels::ref::adamw(in, {.lr = kRate, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}); },
       {37}, sizes, 7},
      {{.name = "sgd", .weight_decay = 0, .momentum = 0.9},
       [](const Numbers& in) { return kernels::ref::sgd(in, {.lr = kRate, .momentum = 0.9, .weight_decay = 0}); },
       {37}, sizes, 5},
      {{.name = "lion", .weight_decay = 0},
       [](const Numbers& in) { return kernels::ref::lion(in, {.lr = kRate, .beta1 = 0.9, .beta2 = 0.999}); },
       {37}, sizes, 5},
      {{.name = "muon", .weight_decay = 0},
       [](const Numbers& in) { return kernels::ref::muon(in, {.lr = kRate, .momentum = 0.95}); },
       {5, 7}, {{384, 1536}}, 8},
  };
}

CheckReport check(const Rule& rule) {
  const auto list = parameters(rule.small, DType::f64);
  const Parameter& p = (*list)[0];
  const Tensor zero = Tensor::zeros(rule.small, DType::f64);
  const Numbers want = rule.want({numbers(p.value), numbers(p.grad), numbers(zero), numbers(zero)});
  make_optimizer(rule.options, *list)->step(kRate);
  double worst = 0;
  for (int64_t i = 0; i < p.value.size(); ++i) worst = std::max(worst, std::abs(want[0].data[size_t(i)] - p.value.item(i)));
  return within(rule.options.name, worst);
}

// Five times X X', its square, and their product with X (kernels/newton_schulz/newton_schulz.h).
double newton_schulz_flops(const Sizes& shape) {
  const double k = double(std::min(shape[0], shape[1])), n = double(std::max(shape[0], shape[1]));
  return 5 * 2 * (k * k * n + k * k * k + k * k * n);
}

KernelBench update_bench(const Rule& rule, const Sizes& shape) {
  const Cost work{.flops = shape.size() == 2 ? newton_schulz_flops(shape) : 0,
                  .bytes = rule.copies * 4 * double(element_count(shape))};
  return {rule.options.name + " " + shown(shape), [=] { return check(rule); }, [=] {
            const auto list = parameters(shape, DType::f32);
            const std::shared_ptr<Optimizer> optimizer = make_optimizer(rule.options, *list);
            return Timed{[list, optimizer] { optimizer->step(kRate); }, work};
          }};
}

// ---- the parts of them --------------------------------------------------------------------------------------------

template <class T>
Tensor orthogonalised(const Tensor& g) {
  const int64_t k = std::min(g.dim(0), g.dim(1));
  const Tensor x = Tensor::like(g), spare = Tensor::like(g), a = Tensor::empty({k, k}, g.dtype()), b = Tensor::like(a);
  KERNEL(newton_schulz, T)(g.device(), {.rows = g.dim(0), .columns = g.dim(1), .g = g.data<T>(), .x = x.data<T>(),
                                        .spare = spare.data<T>(), .a = a.data<T>(), .b = b.data<T>()});
  return x;
}

CheckReport check_newton_schulz() {
  const Tensor g = normal_input({5, 7}, 1), x = orthogonalised<double>(g);
  const auto want = kernels::ref::newton_schulz(numbers(g));
  double worst = 0;
  for (int64_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(want.data[size_t(i)] - x.item(i)));
  return within("newton_schulz", worst);
}

KernelBench newton_schulz_bench(const Sizes& shape) {
  return {"newton_schulz " + shown(shape), check_newton_schulz, [shape] {
            const Tensor g = normal_input(shape, 1).to(DType::f32);
            return Timed{[g] { orthogonalised<float>(g); }, {.flops = newton_schulz_flops(shape)}};
          }};
}

CheckReport check_sum_squares() {
  const Tensor x = normal_input({37}, 1);
  double want = 0;
  for (int64_t i = 0; i < x.size(); ++i) want += x.item(i) * x.item(i);
  return within("sum_squares", std::abs(want - norm_of(x) * norm_of(x)));
}

KernelBench sum_squares_bench(int64_t n) {
  return {"sum_squares " + std::to_string(n), check_sum_squares, [n] {
            const Tensor x = normal_input({n}, 1).to(DType::f32);
            return Timed{[x] { norm_of(x); }, {.bytes = 4 * double(n)}};
          }};
}

}  // namespace

std::vector<KernelBench> optimizer_benches() {
  std::vector<KernelBench> benches;
  for (const Rule& rule : rules())
    for (const Sizes& shape : rule.large) benches.push_back(update_bench(rule, shape));
  benches.push_back(newton_schulz_bench({384, 1536}));
  benches.push_back(sum_squares_bench(10000000));
  return benches;
}

}  // namespace adder
