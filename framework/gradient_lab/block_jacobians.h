// The Jacobians of one block's recurrent state in a model that reads a text. No state below it depends on it, so they are the
// diagonal block of the whole model's Jacobians: their products are d h_t / d h_s exactly, whatever the other blocks do.
#pragma once
#include <string>
#include <vector>

#include "framework/gradient_lab/jacobians.h"
#include "framework/nn/model.h"

namespace adder::lab {

// Adjoints by one backward pass of a step with a row for each (exact). Products J v by central differences of fourth order
// in float64, with a step of 1e-3 of the state's largest element, or of 1: their error is about 1e-12 of |J v| where the step is
// smooth, and large across relu's kink.
class BlockJacobians : public Jacobians {
 public:
  // `ids` int32 (1, length), length >= 2; the model must be float64 and outlive this. J_t is that of token t + 1: from the
  // state that token t leaves to the one after. An Error where the block carries no recurrent state.
  BlockJacobians(Model& model, const Tensor& ids, size_t block);

  int64_t size() const override { return size_; }
  int64_t steps() const override { return int64_t(before_.size()); }
  Matrix times(int64_t t, const Matrix& v) const override;
  Matrix transposed_times(int64_t t, const Matrix& u) const override;

 private:
  Tensor token(int64_t t, int64_t rows) const;
  Matrix after(int64_t t, const Matrix& states) const;
  Matrix read(const State& state) const;
  void write(const State& state, const Matrix& columns) const;

  Model& model_;
  Tensor ids_;
  size_t block_;
  std::vector<size_t> tensors_;  // those of the block's state that a recurrence carries on
  std::vector<State> before_;    // the state before token t + 1
  int64_t size_ = 0;
};

// Numbers in the recurrent state of each block, 0 where it has none; found by reading one token.
std::vector<int64_t> recurrent_sizes(Model& model);

}  // namespace adder::lab
