// The loss of one training step as a function of the parameters: L = the mean over the step's micro-batches of each one's mean
// loss. And of each row (a sample) by itself: rows n = 1 .. N, those that have a scored token, lose
//   l_n = N w_n (the mean loss of row n's tokens),  w_n = (its scored tokens) / (those of its micro-batch) / (micro-batches)
// so that L = mean of l_n, and the gradient of L is the mean of theirs. Without dropout; states start at zero.
#pragma once
#include "framework/data/batches.h"
#include "framework/gradient_lab/flat.h"
#include "framework/nn/model.h"

namespace adder::lab {

struct LossAndGradient {
  double loss;
  Flat gradient;
};

class BatchLoss {
 public:
  // The model is borrowed; its values are read at each call, its gradients are cleared. An Error where no token is scored.
  BatchLoss(Model& model, std::vector<Batch> micro_batches);

  Model& model() const { return model_; }
  int64_t rows() const { return int64_t(rows_.size()); }
  int64_t micro_rows() const { return micro_batches_[0].labels.dim(0); }
  double loss() const;
  LossAndGradient gradient() const;
  LossAndGradient row(int64_t n) const;  // l_n: one backward pass of one row

 private:
  struct Row {
    Batch batch;
    double weight;  // N w_n
  };
  Model& model_;
  std::vector<Batch> micro_batches_;
  std::vector<Row> rows_;
};

}  // namespace adder::lab
