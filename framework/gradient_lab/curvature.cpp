#include "framework/gradient_lab/curvature.h"

#include <algorithm>
#include <cmath>

#include "framework/core/random.h"
#include "framework/gradient_lab/spread.h"

namespace adder::lab {
namespace {

constexpr double kStep = 1e-5;

// Power iteration on H + shift; the value is H's own.
Eigenvalue iterate(const Product& product, int64_t size, int64_t most, double tolerance, const Random& random, double shift) {
  Eigenvalue e;
  Flat v(static_cast<size_t>(size));
  for (size_t i = 0; i < v.size(); ++i) v[i] = random.normal(i);
  for (double length = norm(v); e.products < most && !e.converged; length = norm(v)) {
    if (length == 0) break;  // H v = 0: the value is that of the last round
    for (double& x : v) x /= length;
    Flat next = product(v);
    const double value = dot(v, next), before = e.value;
    Flat rest = next;
    add_scaled(rest, -value, v);
    e.value = value, e.residual = norm(rest);
    e.converged = ++e.products > 1 && std::abs(value - before) <= tolerance * std::abs(value);
    add_scaled(next, shift, v);
    v = std::move(next);
  }
  return e;
}

}  // namespace

Flat hessian_product(const BatchLoss& loss, const Flat& at, const Flat& v) {
  const double length = norm(v);
  if (length == 0) return Flat(v.size(), 0);
  const double step = kStep * std::max(1.0, norm(at)) / length;
  const ParameterList& parameters = loss.model().parameters();
  const auto gradient = [&](double factor) {
    Flat moved = at;
    add_scaled(moved, factor, v);
    put_values(parameters, moved);
    return loss.gradient().gradient;
  };
  Flat result = difference(gradient(step), gradient(-step));
  put_values(parameters, at);
  for (double& x : result) x /= 2 * step;
  return result;
}

Eigenvalue largest_eigenvalue(const Product& product, int64_t size, int64_t most, double tolerance, uint64_t seed) {
  const Eigenvalue first = iterate(product, size, most, tolerance, Random(seed, "power iteration"), 0);
  if (first.value >= 0) return first;
  Eigenvalue second = iterate(product, size, most, tolerance, Random(seed, "power iteration"), -first.value);
  second.products += first.products;
  return second;
}

TraceEstimate trace_estimate(const Product& product, int64_t size, int64_t probes, uint64_t seed) {
  std::vector<double> values;
  for (int64_t p = 0; p < probes; ++p) {
    const Random random(seed, "hutchinson", uint64_t(p));
    Flat signs(static_cast<size_t>(size));
    for (size_t i = 0; i < signs.size(); ++i) signs[i] = random.below(i, 2) ? 1 : -1;
    values.push_back(dot(signs, product(signs)));
  }
  return {mean_interval(values).mean, standard_error(values), probes};
}

}  // namespace adder::lab
