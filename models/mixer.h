// What a block of a language model needs from a sequence mixer (mamba, and whatever joins it). Adding one: a
// file with an Options struct and a class derived from Mixer, and one line in registry.cpp.
#pragma once
#include <string>
#include <vector>

#include "framework/nn/model.h"

namespace adder {

// What there is to know of a stretch of tokens (B, L) beside their embeddings.
struct Stretch {
  Tensor resets;     // int32 (B, L), or undefined: 1 where a document starts; nothing before it may be seen
  Tensor positions;  // int32 (B, L): each token's place in its document, from 0
  // Where x[b,t] = table[ids[b,t]] and tokens are more than symbols, as before the first block of a model without norms:
  // what is linear in x may be computed for the table (V, d_model) once. Else undefined.
  Tensor ids{};
  Var table{};
};

class Mixer {
 public:
  virtual ~Mixer() = default;

  // x (B, L, d_model), L >= 1, to the same shape. `state` holds what the tokens before x left behind, empty:
  // nothing came before; it is replaced by the state after x.
  virtual Var forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const = 0;

  // The same for one token that starts no document, x (B, 1, d_model). To be overridden where a shorter way
  // leads to the same numbers.
  virtual Var step(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
    return forward(pass, x, state, at);
  }

  // What the tensors of the state are called, in their order.
  virtual std::vector<std::string> state_names() const = 0;

  // Those of them that a recurrence carries on; not windows and caches of what came in.
  virtual std::vector<std::string> recurrent_names() const { return state_names(); }

  // The factors of the state in forward(pass, x, state, at), which isn't changed, as if no document started in x; nothing
  // is recorded. None where no element of the state is a multiple of itself a step before.
  virtual Decay decay(Pass&, const Var&, const MixerState&, const Stretch&) const { return {}; }

  // The Jacobians of the recurrent state in forward(pass, x, state, at), recorded, for up to `vectors` of them a row; as if
  // no document started in x. Where has_tangent() says so; else none.
  virtual Tangent tangent(Pass&, const Var&, const MixerState&, int64_t /*vectors*/) const { return {}; }
  virtual bool has_tangent() const { return false; }

  // Whether its parameters are declared as muP asks (models/width.h).
  virtual bool has_mup() const { return false; }

  // False where the state grows with the text, as a cache of everything seen does.
  virtual bool bounded_state() const { return true; }

  // Whether its state is a cache of keys and values, which Pass::bf16_cache halves.
  virtual bool has_cache() const { return false; }
};

}  // namespace adder
