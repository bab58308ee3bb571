// Batches of random tokens, or of random numbers for a model that takes such: for steps whose speed and memory matter, not
// what they learn.
#pragma once
#include "framework/core/random.h"
#include "framework/data/batches.h"

namespace adder {

class RandomTokens : public BatchSource {
 public:
  RandomTokens(int64_t vocabulary, int64_t batch_size, int64_t length, int64_t features = 0)
      : vocabulary_(vocabulary), batch_size_(batch_size), length_(length), features_(features) {}
  Batch at(int64_t step, int64_t micro = 0) const override {
    Batch batch;
    batch.labels = draw("labels", step, micro);
    if (!features_) batch.ids = draw("ids", step, micro);
    else batch.features = numbers({batch_size_, length_, features_}), batch.targets = numbers({batch_size_, length_});
    return batch;
  }
  int64_t batch_size() const override { return batch_size_; }
  int64_t length() const override { return length_; }

 private:
  Tensor draw(const char* purpose, int64_t step, int64_t micro) const {
    const Random random(1, purpose, uint64_t(step), uint64_t(micro));
    const Tensor ids = Tensor::empty({batch_size_, length_}, DType::i32);
    for (int64_t i = 0; i < ids.size(); ++i)
      ids.data<int32_t>()[i] = int32_t(random.below(uint64_t(i), uint64_t(vocabulary_)));
    return ids;
  }
  static Tensor numbers(const Shape& shape) {
    const Random random(1, "features");
    const Tensor x = Tensor::empty(shape, DType::f32);
    for (int64_t i = 0; i < x.size(); ++i) x.data<float>()[i] = float(random.uniform(uint64_t(i)));
    return x;
  }
  int64_t vocabulary_, batch_size_, length_, features_;
};

}  // namespace adder
