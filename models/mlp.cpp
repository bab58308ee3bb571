#include "models/mlp.h"

#include <cmath>

#include "framework/core/error.h"
#include "framework/ops/activated_linear.h"
#include "framework/ops/activation.h"
#include "framework/ops/gated.h"
#include "framework/ops/linear.h"
#include "models/width.h"

namespace adder {
namespace {

int64_t inner_width(int64_t d_model, const BlockOptions& block) {
  if (block.d_mlp) return block.d_mlp;
  return block.mlp == "swiglu" ? (8 * d_model / 3 + 7) / 8 * 8 : 4 * d_model;
}

struct Activation {
  const char* name;  // in a config
  kernels::ActivationKind kind;
  Var (*op)(const Var&);
};
constexpr Activation kActivations[] = {{"gelu", kernels::ActivationKind::gelu_erf, ops::gelu_erf},
                                       {"gelu_tanh", kernels::ActivationKind::gelu_tanh, ops::gelu_tanh},
                                       {"silu", kernels::ActivationKind::silu, ops::silu},
                                       {"relu", kernels::ActivationKind::relu, ops::relu},
                                       {"relu_squared", kernels::ActivationKind::relu_squared, ops::relu_squared}};

const Activation& activation_called(const std::string& name) {
  for (const Activation& f : kActivations)
    if (name == f.name) return f;
  throw Error("[activate] no activation is called \"" + name + "\"");
}

}  // namespace

Var activate(const std::string& name, const Var& x) {
  return name == "none" ? x : activation_called(name).op(x);
}

Mlp::Mlp(const ModelConfig& config, const BlockOptions& block, const ParameterScope& scope) : kind_(block.mlp) {
  require_derived_width(config, "mlp", "d_mlp", block.d_mlp);
  const int64_t D = config.d_model, F = inner_width(D, block);
  const double start = 0.02 / std::sqrt(config.width_ratio());
  const auto declare = [&](const char* name, int64_t out, int64_t in, double stddev) -> Projection {
    const ParameterScope here = scope.in(name);
    Parameter& weight = here.add_hidden("weight", {out, in}, init::normal(stddev));
    return {&weight, block.mlp_bias ? &here.add("bias", {out}, init::constant(0)) : nullptr};
  };
  if (kind_ == "swiglu") gate_ = declare("gate", F, D, start);
  up_ = declare("up", F, D, start);
  down_ = declare("down", D, F, start / std::sqrt(2 * double(config.n_layers)));
}

Var Mlp::through(Pass& pass, const Projection& p, const Var& x) {
  return ops::linear(x, use(pass, *p.weight), use_if(pass, p.bias));
}

Var Mlp::forward(Pass& pass, Var x) const {
  Var up = through(pass, up_, x);
  const Var gate = gate_.weight ? through(pass, gate_, x) : Var();
  x = Var();
  if (gate.defined()) return through(pass, down_, ops::swiglu(gate, up));
  const Activation& f = activation_called(kind_);
  if (pass.tape && pass.tape->observed()) return through(pass, down_, f.op(up));  // somebody wants to see f(x)
  return ops::activated_linear(f.kind, std::move(up), use(pass, *down_.weight), use_if(pass, down_.bias));
}

}  // namespace adder
