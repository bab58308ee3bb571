// What a training run needs from a model: parameters, a forward pass over a stretch of tokens, carried state.
#pragma once
#include <vector>

#include "framework/nn/module.h"

namespace adder {

// Recurrent state of a model: for each block the tensors that its mixer carries, in the mixer's order
// (see Model::state_names). An empty list of tensors means zero state.
using MixerState = std::vector<Var>;
struct State {
  std::vector<MixerState> blocks;
  Tensor positions;      // int32 (batch): the place of the next token in its document; undefined: 0
  State detach() const;  // the values alone, so that no gradient flows through

  // States of runs of one row each, side by side as one batch; values alone. Float tensors of two and more
  // axes may differ in axis 1 (a cache that grows with the text): the shorter ones are filled up with zeros.
  // Every other difference is an Error that names it.
  static State stack(const std::vector<State>& rows);
  // Row b as the state of a run of its own, and these rows in this order; copies. A cache keeps its length.
  State row(int64_t b) const { return rows({b}); }
  State rows(const std::vector<int64_t>& indices) const;
};

// A batch of token ids. Shapes (batch, length); int32.
struct Tokens {
  Tensor ids;
  Tensor resets;  // optional: 1 where a document starts, state is zero before it
  Tensor features{};  // float (batch, length, F): the inputs of a model of real numbers; ids are undefined then
};

// Called with a name ("embed", "layers.0", "final") and the residual stream there, (batch, length, d_model). It may put
// another variable of that shape in its place, and the model goes on with that: a leaf, say, whose adjoint is wanted.
using HiddenSink = std::function<void(const std::string& name, Var& value)>;

class Model {
 public:
  virtual ~Model() = default;

  virtual ParameterList& parameters() = 0;
  virtual int64_t vocabulary() const = 0;
  virtual int64_t features() const { return 0; }  // real inputs a position; the vocabulary is then 1: one output
  // Logits (batch, length, vocabulary). `state` is read and replaced by the state after the last token.
  virtual Var forward(Pass& pass, const Tokens& tokens, State& state, const HiddenSink& hidden = nullptr) = 0;
  // Names of each block's state tensors, for checkpoints and messages: "blocks.0.mixer.conv".
  virtual std::vector<std::vector<std::string>> state_names() const = 0;
  // Those of them that a recurrence h_t = f(h_{t-1}, x_t) carries on; not windows and caches of what came in.
  virtual std::vector<std::vector<std::string>> recurrent_names() const { return state_names(); }
  virtual bool has_tangents() const { return false; }  // whether some block answers Pass::tangents
  virtual bool bounded_state() const { return true; }  // false: it grows with the text (attention, no window)
  virtual bool has_cache() const { return false; }     // whether some block keeps keys and values (Pass::bf16_cache)
  // false: it learns by counting (nn/counting_model.h). Whoever needs gradients refuses it by its architecture.
  virtual bool differentiable() const { return true; }
};

}  // namespace adder
