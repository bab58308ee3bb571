#include "framework/data/tasks/task_data.h"

#include "framework/core/error.h"

namespace adder {
namespace {

Batch padding(const Task& task, int64_t rows, int64_t positions) {
  Batch batch;
  batch.labels = Tensor::empty({rows, positions}, DType::i32);
  std::fill_n(batch.labels.data<int32_t>(), rows * positions, kIgnoreLabel);
  if (task.real()) {
    batch.features = Tensor::zeros({rows, positions, task.features()}, DType::f32);
    batch.targets = Tensor::zeros({rows, positions}, DType::f32);
  } else {
    batch.ids = Tensor::zeros({rows, positions}, DType::i32);
  }
  return batch;
}

Example row_of(const Batch& batch, int64_t row) {
  const int64_t positions = batch.labels.dim(1);
  Example out;
  out.labels = batch.labels.data<int32_t>() + row * positions;
  if (batch.ids.defined()) out.ids = batch.ids.data<int32_t>() + row * positions;
  if (batch.features.defined()) out.features = batch.features.data<float>() + row * positions * batch.features.dim(2);
  if (batch.targets.defined()) out.targets = batch.targets.data<float>() + row * positions;
  return out;
}

int64_t training_length(const Task& task, uint64_t seed, uint64_t number) {
  if (task.min_length == 0) return task.length;
  const uint64_t lengths = uint64_t(task.length - task.min_length + 1);
  return task.min_length + int64_t(Random(seed, "task.length", number).below(0, lengths));
}

}  // namespace

TaskBatches::TaskBatches(const Task& task, const WindowOptions& options, uint64_t seed, int64_t examples)
    : task_(task), options_(options), seed_(seed), examples_(examples) {}

Batch TaskBatches::at(int64_t step, int64_t micro) const {
  const int64_t first = (step * options_.accumulate + micro) * options_.batch_size;
  const Batch batch = padding(task_, options_.batch_size, length());
  for (int64_t row = 0; row < options_.batch_size; ++row) {
    const int64_t number = examples_ > 0 ? (first + row) % examples_ : first + row;
    const int64_t length = training_length(task_, seed_, uint64_t(number));
    task_.make(Random(seed_, "task", uint64_t(length), uint64_t(number)), length, row_of(batch, row));
  }
  return batch;
}

Batch evaluation_examples(const Task& task, uint64_t seed, int64_t length, int64_t first, int64_t rows) {
  const Batch batch = padding(task, rows, task.positions(length));
  for (int64_t row = 0; row < rows; ++row)
    task.make(Random(seed, "task.evaluation", uint64_t(length), uint64_t(first + row)), length, row_of(batch, row));
  return batch;
}

}  // namespace adder
