#include "framework/gradient_lab/flat.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/ops/matrix.h"

namespace adder::lab {
namespace {

void append(Flat& all, const Tensor& t) {
  const Flat values = flat(t);
  all.insert(all.end(), values.begin(), values.end());
}

void require_same(const Flat& a, const Flat& b) {
  if (a.size() != b.size())
    throw Error("[flat] the vectors have " + std::to_string(a.size()) + " and " + std::to_string(b.size()) + " numbers, expected as many");
}

}  // namespace

Flat flat(const Tensor& x) {
  const Tensor whole = ops::dense(x.to(DType::f64));
  return {whole.data<double>(), whole.data<double>() + whole.size()};
}

Flat flat_values(const ParameterList& parameters) {
  Flat flat;
  flat.reserve(size_t(parameters.count()));
  for (size_t i = 0; i < parameters.size(); ++i) append(flat, parameters[i].value);
  return flat;
}

Flat flat_gradients(const ParameterList& parameters) {
  Flat flat;
  flat.reserve(size_t(parameters.count()));
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    if (p.grad.defined()) append(flat, p.grad);
    else flat.resize(flat.size() + size_t(p.value.size()), 0);
  }
  return flat;
}

void put_values(const ParameterList& parameters, const Flat& values) {
  size_t at = 0;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Tensor& value = parameters[i].value;
    value.copy_from(Tensor::from<double>(value.shape(), std::span(values).subspan(at, size_t(value.size()))));
    at += size_t(value.size());
  }
}

double dot(const Flat& a, const Flat& b) {
  require_same(a, b);
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double norm(const Flat& a) { return std::sqrt(dot(a, a)); }

Flat difference(const Flat& a, const Flat& b) {
  require_same(a, b);
  Flat result(a.size());
  for (size_t i = 0; i < a.size(); ++i) result[i] = a[i] - b[i];
  return result;
}

void add_scaled(Flat& to, double factor, const Flat& from) {
  require_same(to, from);
  for (size_t i = 0; i < to.size(); ++i) to[i] += factor * from[i];
}

}  // namespace adder::lab
