// A model that learns by counting: one pass over the text, without gradients and without parameters.
#pragma once
#include <functional>
#include <span>
#include <string>

#include "framework/nn/model.h"

namespace adder {

class CountingModel : public Model {
 public:
  bool differentiable() const final { return false; }
  // Counts these tokens, in place of what was counted before. `starts`: where documents start, increasing; nothing
  // is counted across a start. `stop` is asked now and then; true: gives up, and returns false. An Error for an id
  // outside the vocabulary.
  virtual bool count(std::span<const int32_t> tokens, std::span<const int64_t> starts = {},
                     const std::function<bool()>& stop = nullptr) = 0;
  // What was counted, exactly; and back. `where`: the checkpoint, for the UnreadableError where these are not the
  // counts of such a model.
  virtual std::vector<NamedTensor> counts() const = 0;
  virtual void set_counts(const std::vector<NamedTensor>& counts, const std::string& where) = 0;
};

}  // namespace adder
