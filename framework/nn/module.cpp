#include "framework/nn/module.h"

#include <cmath>

#include "framework/core/error.h"
#include "kernels/rehearsal.h"

namespace adder {
namespace init {

Initializer constant(double value) {
  return [=](const Random&, int64_t) { return value; };
}
Initializer uniform(double low, double high) {
  return [=](const Random& random, int64_t i) { return low + (high - low) * random.uniform(uint64_t(i)); };
}
Initializer normal(double stddev, double mean) {
  return [=](const Random& random, int64_t i) { return mean + stddev * random.normal(uint64_t(i)); };
}
Initializer linear_default(int64_t fan_in, double scale) {
  const double bound = scale / std::sqrt(double(fan_in));
  return uniform(-bound, bound);
}

}  // namespace init

Parameter& ParameterList::add(const std::string& name, const Shape& shape, const Initializer& initializer, bool decay) {
  if (find(name)) throw Error("[parameters] " + name + " is declared twice");
  auto p = std::make_unique<Parameter>();
  p->name = name;
  p->decay = decay;
  p->value = Tensor::empty(shape, dtype_);
  p->value.multiply_in_bf16(bf16_products_ && shape.size() == 2);
  const Random random(seed_, "init " + name);
  constexpr int64_t kFew = 4096;  // a model may look at such values as it is made
  if (!kernels::rehearsing() || p->value.size() <= kFew) by_dtype(dtype_, [&](auto zero) {
    using T = decltype(zero);
    T* x = p->value.template data<T>();
    // Rounded to float32 first, so that a float64 run starts from the same weights.
    for (int64_t i = 0, n = p->value.size(); i < n; ++i) x[i] = T(float(initializer(random, i)));
  });
  parameters_.push_back(std::move(p));
  return *parameters_.back();
}

Parameter* ParameterList::find(const std::string& name) const {
  for (const auto& p : parameters_)
    if (p->name == name) return p.get();
  return nullptr;
}

int64_t ParameterList::count() const {
  int64_t n = 0;
  for (const auto& p : parameters_) n += p->value.size();
  return n;
}

void ParameterList::clear_gradients() const {
  for (const auto& p : parameters_) p->grad = Tensor();
}

}  // namespace adder
