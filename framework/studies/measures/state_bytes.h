// What a model has read, and what it weighs.
#pragma once
#include <cstdint>

#include "framework/measure/random_tokens.h"
#include "framework/nn/model.h"

namespace adder::studies {

// The state after `length` random tokens in each of `batch` rows; nothing is recorded.
inline State state_after(Model& model, int64_t batch, int64_t length) {
  Pass pass;
  State state;
  const Batch read = RandomTokens(model.vocabulary(), batch, length, model.features()).at(0);
  model.forward(pass, {read.ids, {}, read.features}, state);
  return state.detach();
}

inline int64_t bytes_held(const State& state) {
  int64_t bytes = 0;
  for (const MixerState& block : state.blocks)
    for (const Var& part : block)
      if (part.value().defined()) bytes += part.value().size() * int64_t(bytes_of(part.value().dtype()));
  return bytes;
}

// Of one sequence.
inline int64_t state_bytes(Model& model, int64_t length) { return bytes_held(state_after(model, 1, length)); }

}  // namespace adder::studies
