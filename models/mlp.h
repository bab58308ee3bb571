// The layer between two mixers, token by token: down(f(up(x))), or swiglu: down(silu(gate(x)) * up(x)).
// D d_model, F its inner width. Parameters: up.weight (F, D), down.weight (D, F), swiglu also gate.weight (F, D);
// .bias beside each where asked for. Weights start as GPT-2's: N(0, 0.02), down divided by sqrt(2 n_layers), for
// there are two residual branches a block.
#pragma once
#include <string>

#include "framework/config/model_config.h"

namespace adder {

// The element-wise function of a config's name (gelu, silu, …); "none" gives x itself. Error for another name.
Var activate(const std::string& name, const Var& x);

class Mlp {
 public:
  Mlp(const ModelConfig& config, const BlockOptions& block, const ParameterScope& scope);
  Var forward(Pass& pass, Var x) const;  // (B, L, D) to the same shape; x is let go before the inner width is at its widest

 private:
  struct Projection {
    Parameter *weight, *bias;  // bias: null where there is none
  };
  static Var through(Pass& pass, const Projection& projection, const Var& x);

  std::string kind_;
  Projection up_, gate_{nullptr, nullptr}, down_;
};

}  // namespace adder
