// Folders of Hugging Face models (config.json and model.safetensors, sharded or not): read into our names and
// shapes, and our tensors back into theirs.
#pragma once
#include <string>
#include <vector>

#include "framework/core/tensor.h"

namespace adder {

// How one of our parameters stands in the foreign folder.
struct SourceTensor {
  std::string ours;         // blocks.0.mixer.conv1d.weight
  std::string source;       // backbone.layers.0.mixer.conv1d.weight
  Shape source_shape;       // [E, 1, K]
  bool transposed = false;  // theirs is (in, out) where ours is (out, in); otherwise only the shape differs
};

struct ForeignTensor : SourceTensor {
  Tensor value;  // in our shape; float32, or float64 where the file holds F64
};

struct ForeignModel {
  std::string model_type;  // "mamba"
  std::string model_json;  // our `model` section
  int64_t vocabulary = 0;
  std::vector<ForeignTensor> tensors;  // one a parameter of ours, in the model's order
};

// Reads a folder. UnreadableError names the file, the tensor or key, what was found and what was expected.
ForeignModel read_hugging_face(const std::string& folder);

// True where the folder looks like one (it holds config.json), so that a command can tell it from a run.
bool is_hugging_face_folder(const std::string& folder);

// What a checkpoint keeps of the names, and reads back. JSON:
//   {"model_type": …, "tensors": [{"ours": …, "source": …, "shape": […], "transposed": …}]}
std::string source_json(const ForeignModel& model);
std::vector<SourceTensor> parse_source_json(const std::string& json);

// A tensor in our shape (a weight or its gradient), laid out as the source has it.
Tensor to_source(const Tensor& ours, const SourceTensor& layout);

}  // namespace adder
