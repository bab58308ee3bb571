#include "models/linear_ssm.h"

#include <cmath>
#include <numbers>

#include "framework/ops/activation.h"
#include "framework/ops/add.h"
#include "framework/ops/dense_scan.h"
#include "framework/ops/linear.h"
#include "framework/ops/mul.h"
#include "framework/ops/resolvent.h"
#include "framework/ops/scale.h"

namespace adder {
namespace {

// Element (i, j) of pairs that turn, pair n = i / 2 at the rate pi n.
Initializer turning_pairs(int64_t n) {
  return [=](const Random&, int64_t at) {
    const int64_t i = at / n, j = at % n;
    if (i == j) return -0.5;
    if (i / 2 != j / 2) return 0.0;
    return (i < j ? -1 : 1) * std::numbers::pi * double(i / 2);
  };
}

Tensor identity_times(double value, const Var& like) {
  const int64_t n = like.dim(0);
  const Tensor m = Tensor::zeros({n, n}, like.dtype(), like.device());
  for (int64_t i = 0; i < n; ++i) m.narrow(0, i, 1).narrow(1, i, 1).fill(value);
  return m;
}

Var times(const Var& x, double factor) {
  return ops::mul(x, Var(Tensor::full(x.shape(), factor, x.dtype(), x.device())));
}

}  // namespace

void LinearSsmOptions::fields(Fields& f) {
  f("d_state", d_state, "states, shared by all channels", size_range());
  TimeStepOptions::fields(f);
}

LinearSsm::LinearSsm(const ModelConfig& config, const LinearSsmOptions& o, const ParameterScope& scope) {
  o.check("linear_ssm");
  const int64_t D = config.d_model, N = o.d_state;
  log_dt_ = &scope.add_without_decay("log_dt", {N}, init::log_time_step(o, 2));
  A_ = &scope.add_without_decay("A", {N, N}, turning_pairs(N));
  B_ = &scope.add_without_decay("B", {N, D}, init::linear_default(D));
  C_ = &scope.add_without_decay("C", {D, N}, init::normal(1));
  D_ = &scope.add("D", {D, D}, init::linear_default(D));
}

Var LinearSsm::forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  const Sampled by = sampled_(pass, *A_, [&] {
    const Var dt = ops::exp(use(pass, *log_dt_));
    const Var half = ops::scale_rows(use(pass, *A_), times(dt, 0.5)), M = ops::resolvent(half);
    const Var Abar = ops::add(times(M, 2), Var(identity_times(-1, M)));  // (I - X)^-1 (I + X) = 2 (I - X)^-1 - I
    return Sampled{Abar, packed(pass, ops::scale_rows(use(pass, *B_), dt)), packed(pass, M)};
  });
  const Var drive = ops::linear(ops::linear(x, by.B), by.M);
  const auto h = ops::dense_scan(by.Abar, drive, state.empty() ? Var() : state[0], at.resets);
  state = {h.last};
  return ops::add(ops::linear(h.h, use(pass, *C_)), ops::linear(x, use(pass, *D_)));
}

}  // namespace adder
