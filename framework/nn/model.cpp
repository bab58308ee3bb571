#include "framework/nn/model.h"

namespace adder {

State State::detach() const {
  State values;
  for (const auto& block : blocks) {
    values.blocks.emplace_back();
    for (const auto& tensor : block) values.blocks.back().push_back(tensor.detach());
  }
  return values;
}

}  // namespace adder
