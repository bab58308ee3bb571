#include "models/s4d.h"

#include <cmath>
#include <numbers>

#include "framework/core/error.h"
#include "framework/ops/activation.h"
#include "framework/ops/diagonal_ssm.h"
#include "framework/ops/view.h"

namespace adder {

void S4dOptions::fields(Fields& f) {
  f("d_state", d_state, "state of each channel, real numbers", size_range());
  f.choice("diagonal", diagonal, {"complex", "real"}, "the kind of number on the transition's diagonal");
  TimeStepOptions::fields(f);
}

S4d::S4d(const ModelConfig& config, const S4dOptions& o, const ParameterScope& scope)
    : complex_(o.diagonal == "complex") {
  o.check("s4d");
  if (complex_ && o.d_state % 2 != 0)
    throw UsageError("[s4d] d_state is " + std::to_string(o.d_state) +
                     ", expected an even number: a complex state stands for its conjugate too; or diagonal \"real\"");
  const int64_t E = config.d_model, N = complex_ ? o.d_state / 2 : o.d_state;
  log_dt_ = &scope.add_without_decay("log_dt", {E}, init::log_time_step(o));
  if (complex_) {
    log_A_ = &scope.add_without_decay("log_A_real", {E, N}, init::constant(std::log(0.5)));
    A_imag_ = &scope.add_without_decay("A_imag", {E, N},
                                       [=](const Random&, int64_t i) { return std::numbers::pi * double(i % N); });
    C_ = &scope.add_without_decay("C", {E, N, 2}, init::normal(std::sqrt(0.5)));
  } else {
    log_A_ = &scope.add_without_decay("log_A", {E, N}, init::log_one_to(N));
    C_ = &scope.add_without_decay("C", {E, N}, init::normal(1));
  }
  D_ = &scope.add_without_decay("D", {E}, init::normal(1));
}

std::vector<std::string> S4d::state_names() const {
  return complex_ ? std::vector<std::string>{"re", "im"} : std::vector<std::string>{"re"};
}

Decay S4d::decay(Pass&, const Var& x, const MixerState&, const Stretch&) const {
  const int64_t n = log_A_->value.size(), N = log_A_->value.dim(1);
  Decay decay{.log_abs = Tensor::empty({x.dim(0), x.dim(1), n}, DType::f64), .each = complex_ ? 2 : 1};
  for (int64_t i = 0; i < decay.log_abs.size(); ++i)
    decay.log_abs.data<double>()[i] =
        -std::exp(log_dt_->value.item(i % n / N)) * std::exp(log_A_->value.item(i % n));
  return decay;
}

Var S4d::forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  const Sampled sampled = sampled_(pass, *log_A_, [&] {
    const auto by = ops::zoh(ops::exp(use(pass, *log_dt_)), ops::neg_exp(use(pass, *log_A_)), use_if(pass, A_imag_));
    const Var C = use(pass, *C_);
    const auto part = [&](int64_t i) { return ops::reshape(ops::narrow(C, -1, i, 1), by.a_re.shape()); };
    return complex_ ? Sampled{by, part(0), part(1)} : Sampled{by, C, {}};
  });
  const ops::ZohResult& by = sampled.by;
  ops::DiagonalSsmInputs in{x, by.a_re, by.a_im, by.b_re, by.b_im, sampled.c_re, sampled.c_im};
  in.D = use(pass, *D_), in.resets = at.resets;
  if (!state.empty()) in.h0_re = state[0];
  if (!state.empty() && complex_) in.h0_im = state[1];
  const auto r = ops::diagonal_ssm(in, complex_);
  state = {r.last_re};
  if (complex_) state.push_back(r.last_im);
  return r.y;
}

}  // namespace adder
