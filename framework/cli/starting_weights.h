// initialize.from: weights that a run starts from, out of a checkpoint, a run or a foreign folder
// (interop/foreign_model.h).
#pragma once
#include <string>
#include <vector>

#include "framework/config/config.h"
#include "framework/data/tokenizer.h"
#include "framework/training/checkpoint.h"

namespace adder {

struct StartingWeights {
  std::string where;         // the checkpoint or the folder, for messages
  ModelConfig model;         // what they are the weights of
  DType dtype = DType::f32;  // float64 where one of them is
  int64_t vocabulary = 0;
  TokenizerPtr tokenizer;            // null: none is kept with them
  std::vector<NamedTensor> tensors;  // by our names, in the model's order
  std::string source_json;           // of imported ones (interop/source_tensor.h)
};

// UnreadableError where there are no such weights.
StartingWeights read_weights(const std::string& from, const ModelFactory& factory);
StartingWeights read_foreign_weights(const std::string& folder, const ModelFactory& factory);

}  // namespace adder
