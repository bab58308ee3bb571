#include "models/mlp.h"

#include <cmath>
#include <optional>

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

// For the layer that never stores f(x) whole; nothing where somebody wants to see it.
std::optional<kernels::ActivationKind> fused(const Pass& pass, const std::string& name) {
  using Kind = kernels::ActivationKind;
  if (pass.tape && pass.tape->observed()) return {};
  if (name == "gelu") return Kind::gelu_erf;
  if (name == "gelu_tanh") return Kind::gelu_tanh;
  if (name == "silu") return Kind::silu;
  if (name == "relu") return Kind::relu;
  if (name == "relu_squared") return Kind::relu_squared;
  return {};
}

}  // namespace

Var activate(const std::string& name, const Var& x) {
  if (name == "none") return x;
  if (name == "gelu") return ops::gelu_erf(x);
  if (name == "gelu_tanh") return ops::gelu_tanh(x);
  if (name == "silu") return ops::silu(x);
  if (name == "relu") return ops::relu(x);
  if (name == "relu_squared") return ops::relu_squared(x);
  throw Error("[activate] no activation is called \"" + name + "\"");
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
  const auto f = fused(pass, kind_);
  if (!f) return through(pass, down_, activate(kind_, up));
  return ops::activated_linear(*f, std::move(up), use(pass, *down_.weight), use_if(pass, down_.bias));
}

}  // namespace adder
