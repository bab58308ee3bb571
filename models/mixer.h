// What a block of a language model needs from a sequence mixer (mamba, and whatever joins it). Adding one: a
// file with an Options struct and a class derived from Mixer, and one line in registry.cpp.
#pragma once
#include <string>
#include <vector>

#include "framework/nn/model.h"

namespace adder {

class Mixer {
 public:
  virtual ~Mixer() = default;

  // x (B, L, d_model), L >= 1, to the same shape. `state` holds what the tokens before x left behind, empty:
  // nothing came before; it is replaced by the state after x. resets int32 (B, L), or undefined: 1 where a
  // document starts, and nothing before that position may be seen from it on.
  virtual Var forward(Pass& pass, const Var& x, MixerState& state, const Tensor& resets) const = 0;

  // The same for one token, x (B, 1, d_model). To be overridden where a shorter way leads to the same
  // numbers.
  virtual Var step(Pass& pass, const Var& x, MixerState& state) const {
    return forward(pass, x, state, Tensor());
  }

  // What the tensors of the state are called, in their order.
  virtual std::vector<std::string> state_names() const = 0;
};

}  // namespace adder
