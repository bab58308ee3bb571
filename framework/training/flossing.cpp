#include "framework/training/flossing.h"

#include <algorithm>

#include "framework/ops/add.h"
#include "framework/ops/qr.h"
#include "framework/ops/squared_error.h"
#include "framework/ops/view.h"

namespace adder {
namespace {

// (rows, k, n), rows of each orthonormal; a constant.
Var random_basis(const Shape& shape, DType dtype, const Pass& pass, const std::string& block) {
  const Random random(pass.seed, "flossing " + block, pass.step);
  const Tensor x = Tensor::empty(shape, dtype);
  by_dtype(dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < x.size(); ++i) x.data<T>()[i] = T(random.normal(uint64_t(i)));
  });
  return ops::qr(x).q;
}

// The sum over the steps of log |R_ii|: (rows, k).
Var stretched(const Tangent& tangent, Var q, int64_t steps) {
  Var sum;
  for (int64_t t = 0; t < steps; ++t) {
    const ops::QrResult next = ops::qr(tangent.times(t, q));
    q = next.q;
    sum = sum.defined() ? ops::add(sum, next.log_r) : next.log_r;
  }
  return sum;
}

// The mean of the squares of x.
Var mean_square(const Var& x) {
  const Shape flat = {x.value().size()};
  return ops::mean_squared_error(ops::reshape(x, {flat[0], 1}), Tensor::zeros(flat, x.dtype()), Tensor::zeros(flat, DType::i32));
}

}  // namespace

bool flosses(const FlossingConfig& c, int64_t step) {
  return c.exponents > 0 && (c.steps == 0 || step <= c.steps) && (step - 1) % c.every == 0;
}

Tangents flossing_request(const FlossingConfig& c, int64_t length) {
  return {.sequences = c.sequences, .steps = c.horizon > 0 ? c.horizon : length, .vectors = c.exponents};
}

Terms flossing_terms(const FlossingConfig& c, const Tangents& told, const Pass& pass) {
  Terms terms;
  double penalty = 0;
  const double steps = double(told.steps), rows = double(told.sequences);
  for (const auto& [block, tangent] : told.by_block) {
    const int64_t k = std::min(c.exponents, tangent.size);
    const Tape::Scope in_flossing(pass.tape, "flossing." + block);
    const Var basis = random_basis({told.sequences, k, tangent.size}, tangent.dtype, pass, block);
    const Var sum = stretched(tangent, basis, told.steps), square = mean_square(sum);
    terms.emplace_back(square, c.weight * double(k) / (steps * steps));
    penalty += terms.back().second * square.value().item();
    double first = 0;
    for (int64_t b = 0; b < told.sequences; ++b) first += sum.value().item(b * k);
    if (pass.readings) pass.readings->mean("flossing/exponent/" + block, first / steps, rows);
  }
  if (pass.readings) pass.readings->mean("flossing/penalty", penalty, 1);
  return terms;
}

}  // namespace adder
