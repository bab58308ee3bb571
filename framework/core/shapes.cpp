#include "framework/core/shapes.h"

#include "framework/core/error.h"

namespace adder {
namespace {
std::string text(const Extent& extent) {
  if (const auto* number = std::get_if<int64_t>(&extent)) return std::to_string(*number);
  return std::get<const char*>(extent);
}
bool agrees(const Extent& want, int64_t found) {
  const auto* number = std::get_if<int64_t>(&want);
  return !number || *number == found;
}
}  // namespace

void Shapes::fail(const std::string& what) const { throw Error(std::string("[") + op_ + "] " + what); }

void Shapes::match(const char* argument, const Tensor& x, const Extent* want, size_t axes) const {
  if (!x.defined()) fail(std::string(argument) + " is missing");
  bool ok = x.shape().size() == axes;
  for (size_t i = 0; ok && i < axes; ++i) ok = agrees(want[i], x.shape()[i]);
  if (ok) return;
  std::string expected = "[";
  for (size_t i = 0; i < axes; ++i) expected += (i ? ", " : "") + text(want[i]);
  fail(std::string(argument) + " has shape " + to_string(x.shape()) + ", expected " + expected + "]");
}

int64_t Shapes::last(const char* argument, const Var& x, Extent want) const {
  if (!x.defined()) fail(std::string(argument) + " is missing");
  if (x.value().rank() < 1 || !agrees(want, x.value().dim(-1)))
    fail(std::string(argument) + " has shape " + to_string(x.shape()) + ", expected [..., " + text(want) + "]");
  return x.value().dim(-1);
}

void Shapes::same(const char* a, const Var& x, const char* b, const Var& y) const {
  if (!x.defined()) fail(std::string(a) + " is missing");
  if (!y.defined()) fail(std::string(b) + " is missing");
  if (x.shape() != y.shape())
    fail(std::string(b) + " has shape " + to_string(y.shape()) + ", expected that of " + a + ", " + to_string(x.shape()));
}

void Shapes::one_dtype(std::initializer_list<const Var*> inputs) const {
  const Tensor* first = nullptr;
  for (const Var* v : inputs) {
    if (!v->defined()) continue;
    const Tensor& x = v->value();
    if (!first) first = &x;
    if (x.dtype() != DType::f32 && x.dtype() != DType::f64)
      fail(std::string("an input has dtype ") + name(x.dtype()) + ", expected float32 or float64");
    if (x.dtype() != first->dtype())
      fail(std::string("inputs of dtype ") + name(first->dtype()) + " and " + name(x.dtype()) + " in one op");
    if (x.device() != first->device())
      fail(std::string("inputs on ") + kernels::name(first->device()) + " and " + kernels::name(x.device()) + " in one op");
  }
}

}  // namespace adder
