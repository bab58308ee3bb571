// How one of our parameters stands in a foreign folder, and the way there and back.
//   ours = reshape(concatenate_rows(part_0, part_1, …))
// each part transposed first where `transposed` is set: theirs is (in, out) where ours is (out, in).
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "framework/core/tensor.h"

namespace adder {

struct SourcePart {
  std::string name;  // backbone.layers.0.mixer.conv1d.weight
  Shape shape;       // [E, 1, K]
};

struct SourceTensor {
  std::string ours;               // blocks.0.mixer.conv1d.weight
  std::vector<SourcePart> parts;  // mostly one; the rows of several follow one another in ours
  bool transposed = false;
};

// The parts' values, in their shapes and order, as one tensor of `our_shape`; float64 where one of them is.
Tensor from_source(const std::vector<Tensor>& parts, const SourceTensor& layout, const Shape& our_shape);
// A tensor in our shape (a weight or its gradient) as the source has it: one tensor a part.
std::vector<Tensor> to_source(const Tensor& ours, const SourceTensor& layout);

// What a checkpoint keeps of the names, and reads back. JSON:
//   {"model_type": …, "tensors": [{"ours": …, "source": …, "shape": […], "transposed": …}]}
// where of several parts "source" is the list of the names and "shape" that of the shapes.
std::string source_json(const std::string& model_type, const std::vector<SourceTensor>& tensors);
std::vector<SourceTensor> parse_source_json(const std::string& json);

}  // namespace adder
