#include "framework/inference/packed_weights.h"

namespace adder {

PackedWeights::PackedWeights(const ParameterList& parameters) : parameters_(parameters) {
  for (size_t i = 0; i < parameters.size(); ++i)
    if (Tensor& w = parameters[i].value; w.rank() == 2 && w.dtype() == DType::f32) w.keep_panels(std::make_shared<Tensor::Panels>());
}

PackedWeights::~PackedWeights() {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor& w = parameters_[i].value;
    if (w.panels()) w.panels()->closed = true, w.panels()->data = Tensor();
    w.keep_panels(nullptr);
  }
}

}  // namespace adder
