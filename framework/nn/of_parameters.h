// What a module computes of its parameters alone: a state space's sampled matrices, exp of a logarithm.
#pragma once
#include <memory>

#include "framework/nn/module.h"

namespace adder {

// A Var, or a struct of several. On a tape it is computed in each pass, so that gradients flow; while weights are packed
// (inference/packed_weights.h: text is generated) the first pass computes it for all. The same bits either way.
template <class T>
class OfParameters {
 public:
  // `packed`: any matrix of the module, which tells whether weights are packed.
  template <class F>
  T operator()(const Pass& pass, const Parameter& packed, F compute) const {
    const auto& panels = packed.value.panels();
    if (pass.tape || !panels) {
      kept_ = T(), kept_for_.reset();
      return compute();
    }
    if (kept_for_.lock() != panels) kept_ = compute(), kept_for_ = panels;
    return kept_;
  }

 private:
  mutable T kept_{};
  mutable std::weak_ptr<const Tensor::Panels> kept_for_;
};

// A matrix among them, itself packed where products multiply by it.
inline Var packed(const Pass& pass, const Var& matrix) {
  if (pass.tape || matrix.dtype() != DType::f32) return matrix;
  Tensor value = matrix.value();
  value.keep_panels(std::make_shared<Tensor::Panels>());
  return value;
}

}  // namespace adder
