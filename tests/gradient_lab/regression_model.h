// The smallest model whose Hessian is known: y = w . x on real inputs, so that of the mean squared error over M positions
//   H = 2 / M sum x x',   and of one row  grad = 2 (w . x - target) x.
#pragma once
#include "framework/data/batches.h"
#include "framework/nn/model.h"
#include "framework/ops/linear.h"

namespace adder {

class RegressionModel : public Model {
 public:
  explicit RegressionModel(const std::vector<double>& weights) : parameters_(1, DType::f64), size_(int64_t(weights.size())) {
    weight_ = &parameters_.add("weight", {1, size_}, [weights](const Random&, int64_t i) { return weights[size_t(i)]; }, true);
  }
  ParameterList& parameters() override { return parameters_; }
  int64_t vocabulary() const override { return 1; }
  int64_t features() const override { return size_; }
  Var forward(Pass& pass, const Tokens& tokens, State&, const HiddenSink&) override {
    return ops::linear(Var(tokens.features.to(DType::f64)), use(pass, *weight_));
  }
  std::vector<std::vector<std::string>> state_names() const override { return {}; }

 private:
  ParameterList parameters_;
  int64_t size_;
  Parameter* weight_;
};

// Rows of one position each.
inline Batch regression_batch(const std::vector<std::vector<float>>& inputs, const std::vector<float>& targets) {
  const int64_t rows = int64_t(inputs.size()), size = int64_t(inputs[0].size());
  std::vector<float> all;
  for (const auto& row : inputs) all.insert(all.end(), row.begin(), row.end());
  Batch batch;
  batch.labels = Tensor::zeros({rows, 1}, DType::i32);
  batch.features = Tensor::from<float>({rows, 1, size}, all), batch.targets = Tensor::from<float>({rows, 1}, targets);
  return batch;
}

// The same batch at every step.
struct OneBatch : BatchSource {
  explicit OneBatch(Batch b) : batch(std::move(b)) {}
  Batch at(int64_t, int64_t) const override { return batch; }
  int64_t batch_size() const override { return batch.labels.dim(0); }
  int64_t length() const override { return batch.labels.dim(1); }
  Batch batch;
};

}  // namespace adder
