#include "models/lru.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/ops/activation.h"
#include "framework/ops/add.h"
#include "framework/ops/complex_scan.h"
#include "framework/ops/linear.h"
#include "framework/ops/mul.h"
#include "framework/ops/scale.h"

namespace adder {
namespace {

// log(-log |lambda|), |lambda|^2 uniform between the squares of r_min and r_max
double nu_log(const LruOptions& o, double u) {
  const double low = o.r_min * o.r_min, high = o.r_max * o.r_max;
  return std::log(-0.5 * std::log(std::max(1e-12, low + (high - low) * u)));
}

}  // namespace

void LruOptions::fields(Fields& f) {
  f("d_state", d_state, "complex states; 0: d_model", size_range(0));
  f("r_min", r_min, "least size of a transition at the start", half_open(0, 1));
  f("r_max", r_max, "largest size of a transition at the start", half_open(0, 1));
  f("max_phase", max_phase, "largest phase of a transition at the start", above(0));
}

Lru::Lru(const ModelConfig& config, const LruOptions& o, const ParameterScope& scope) {
  if (o.r_min >= o.r_max)
    throw UsageError("[lru] r_min is " + std::to_string(o.r_min) + ", expected less than r_max = " +
                     std::to_string(o.r_max));
  const int64_t E = config.d_model, N = o.d_state ? o.d_state : E;
  nu_log_ = &scope.add_without_decay("nu_log", {N}, [=](const Random& random, int64_t i) {
    return nu_log(o, random.uniform(uint64_t(i)));
  });
  theta_log_ = &scope.add_without_decay("theta_log", {N}, [=](const Random& random, int64_t i) {
    return std::log(o.max_phase * std::max(1e-12, random.uniform(uint64_t(i))));
  });
  gamma_log_ = &scope.add_without_decay("gamma_log", {N}, [nu = nu_log_->value](const Random&, int64_t i) {
    return 0.5 * std::log(-std::expm1(-2 * std::exp(nu.item(i))));  // of 1 - |lambda|^2
  });
  const double in = std::sqrt(0.5 / double(E)), out = std::sqrt(1 / double(N));
  B_re_ = &scope.add_without_decay("B_re", {N, E}, init::normal(in));
  B_im_ = &scope.add_without_decay("B_im", {N, E}, init::normal(in));
  C_re_ = &scope.add_without_decay("C_re", {E, N}, init::normal(out));
  C_im_ = &scope.add_without_decay("C_im", {E, N}, init::normal(out));
  D_ = &scope.add_without_decay("D", {E}, init::normal(1));
}

Decay Lru::decay(Pass&, const Var& x, const MixerState&, const Stretch&) const {
  const int64_t N = nu_log_->value.dim(0);
  Decay decay{.log_abs = Tensor::empty({x.dim(0), x.dim(1), N}, DType::f64), .each = 2};
  for (int64_t i = 0; i < decay.log_abs.size(); ++i)
    decay.log_abs.data<double>()[i] = -std::exp(nu_log_->value.item(i % N));
  return decay;
}

Var Lru::forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  const Sampled by = sampled_(pass, *B_re_, [&] {
    const Var size = ops::exp(ops::neg_exp(use(pass, *nu_log_))), phase = ops::exp(use(pass, *theta_log_));
    const Var gamma = ops::exp(use(pass, *gamma_log_));
    const Var C_im = use(pass, *C_im_), minus = Tensor::full(C_im.shape(), -1, x.dtype(), x.device());
    return Sampled{ops::mul(size, ops::cos(phase)), ops::mul(size, ops::sin(phase)),
                   packed(pass, ops::scale_rows(use(pass, *B_re_), gamma)),
                   packed(pass, ops::scale_rows(use(pass, *B_im_), gamma)), packed(pass, ops::mul(C_im, minus))};
  });
  ops::ComplexScanInputs in;
  in.a_re = by.a_re, in.a_im = by.a_im;
  in.b_re = ops::linear(x, by.B_re), in.b_im = ops::linear(x, by.B_im);
  if (!state.empty()) in.h0_re = state[0], in.h0_im = state[1];
  in.resets = at.resets;
  const auto h = ops::complex_scan(in);
  state = {h.last_re, h.last_im};
  const Var y = ops::add(ops::linear(h.h_re, use(pass, *C_re_)), ops::linear(h.h_im, by.minus_C_im));
  return ops::add(y, ops::scale_columns(x, use(pass, *D_)));
}

}  // namespace adder
