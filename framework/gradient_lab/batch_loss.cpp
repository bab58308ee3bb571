#include "framework/gradient_lab/batch_loss.h"

#include "framework/core/error.h"
#include "framework/gradient_lab/backsweep.h"
#include "framework/training/trainer.h"

namespace adder::lab {
namespace {

int64_t scored(const Tensor& labels) {
  int64_t count = 0;
  for (int64_t i = 0; i < labels.size(); ++i) count += labels.data<int32_t>()[i] != kIgnoreLabel;
  return count;
}

Batch row_of(const Batch& batch, int64_t b) {
  const auto one = [&](const Tensor& t) { return t.defined() ? some_rows(t, b, 1) : Tensor(); };
  return {one(batch.ids), one(batch.labels), one(batch.resets), one(batch.features), one(batch.targets)};
}

Var loss_of(Model& model, Tape* tape, const Batch& batch) {
  Pass pass{.tape = tape};
  State state;
  return mean_loss(model.forward(pass, {batch.ids, batch.resets, batch.features}, state), batch);
}

// Adds to the parameters' gradients; the loss, times `weight`.
double add_gradient(Model& model, const Batch& batch, double weight) {
  Tape tape;
  tape.require_finite(true);
  const Var loss = loss_of(model, &tape, batch);
  tape.backward({{loss, Tensor::full(loss.shape(), weight, loss.dtype())}});
  return weight * loss.value().item();
}

}  // namespace

BatchLoss::BatchLoss(Model& model, std::vector<Batch> micro_batches) : model_(model), micro_batches_(std::move(micro_batches)) {
  const double parts = double(micro_batches_.size());
  for (const Batch& batch : micro_batches_) {
    const double all = double(scored(batch.labels));
    for (int64_t b = 0; b < batch.labels.dim(0); ++b) {
      const Batch row = row_of(batch, b);
      if (const int64_t own = scored(row.labels); own > 0) rows_.push_back({row, double(own) / all / parts});
    }
  }
  if (rows_.empty()) throw Error("[batch_loss] no token of the step is scored, expected at least one");
  for (Row& row : rows_) row.weight *= double(rows_.size());
}

double BatchLoss::loss() const {
  double sum = 0;
  for (const Batch& batch : micro_batches_) sum += loss_of(model_, nullptr, batch).value().item() / double(micro_batches_.size());
  return sum;
}

LossAndGradient BatchLoss::gradient() const {
  model_.parameters().clear_gradients();
  double sum = 0;
  for (const Batch& batch : micro_batches_) sum += add_gradient(model_, batch, 1 / double(micro_batches_.size()));
  LossAndGradient result{sum, flat_gradients(model_.parameters())};
  model_.parameters().clear_gradients();
  return result;
}

LossAndGradient BatchLoss::row(int64_t n) const {
  model_.parameters().clear_gradients();
  const double loss = add_gradient(model_, rows_[size_t(n)].batch, rows_[size_t(n)].weight);
  LossAndGradient result{loss, flat_gradients(model_.parameters())};
  model_.parameters().clear_gradients();
  return result;
}

}  // namespace adder::lab
