// The same few tokens at every step: any model can learn them.
#pragma once
#include "framework/training/trainer.h"
#include "tests/models/model_support.h"

namespace adder {

class OneBatch : public BatchSource {
 public:
  OneBatch(int64_t length, int64_t vocabulary) {
    batch_.ids = index_input({2, length}, 1, vocabulary), batch_.labels = index_input({2, length}, 2, vocabulary);
  }
  Batch at(int64_t, int64_t) const override { return batch_; }
  int64_t batch_size() const override { return batch_.ids.dim(0); }
  int64_t length() const override { return batch_.ids.dim(1); }

 private:
  Batch batch_;
};

}  // namespace adder
