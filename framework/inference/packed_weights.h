// While text is generated every token reads all weights, which takes longer than what is done with them. They are read from a
// packed copy then (kernels/matmul/matmul.h): as large as they are, or half of it where they are multiplied in bfloat16.
#pragma once
#include "framework/nn/module.h"

namespace adder {

// As long as it lives, products with the model's matrices read a packed copy of them, which the first product makes. The
// parameters must not change meanwhile. The same bits as without. One at a time a model.
class PackedWeights {
 public:
  explicit PackedWeights(const ParameterList& parameters);
  ~PackedWeights();
  PackedWeights(const PackedWeights&) = delete;
  PackedWeights& operator=(const PackedWeights&) = delete;

 private:
  const ParameterList& parameters_;
};

}  // namespace adder
