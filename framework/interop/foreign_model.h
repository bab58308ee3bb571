// Folders of other programs' models, read into our names and shapes: Hugging Face (config.json and
// model.safetensors, sharded or not), and shared/parity's own, whose config.json says "format":
// "parity-lm/1".
#pragma once
#include <string>
#include <vector>

#include "framework/config/model_config.h"
#include "framework/interop/source_tensor.h"

namespace adder {

struct ForeignTensor : SourceTensor {
  Tensor value;  // in our shape; float32, or float64 where the file holds F64
};

struct ForeignModel {
  std::string model_type;  // "mamba"; of parity-lm/1 its "arch"
  std::string model_json;  // our `model` section
  int64_t vocabulary = 0;
  std::vector<ForeignTensor> tensors;  // one a parameter of ours, in the model's order
};

// Reads a folder. UnreadableError names the file, the tensor or key, what was found and what was expected.
ForeignModel read_foreign_model(const std::string& folder);

// True where the folder looks like one (it holds config.json and weights), so that a command can tell it from
// a run.
bool is_foreign_folder(const std::string& folder);

// A `model` section as a config knows it, every key in place. UnreadableError, which calls it `where`, if it
// is none.
ModelConfig model_config(const std::string& model_json, const std::string& where,
                         const ModelFactory& factory);

// The names alone, as a checkpoint keeps them.
std::string source_json(const ForeignModel& model);

}  // namespace adder
