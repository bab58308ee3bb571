// The examples of a run as batches. Example i of training and example i of evaluation are pure functions of
// (seed, length, i), drawn from streams of their own: "task" and "task.evaluation".
#pragma once
#include "framework/data/tasks/task.h"

namespace adder {

// Training: row r of micro-batch m (counted over all steps) is example m * batch_size + r, modulo `examples` where
// the set is fixed. Lengths below the task's longest are filled up at the end of the row, unscored.
class TaskBatches : public BatchSource {
 public:
  // The task is borrowed. options.context_length is not looked at.
  TaskBatches(const Task& task, const WindowOptions& options, uint64_t seed, int64_t examples = 0);
  Batch at(int64_t step, int64_t micro = 0) const override;
  int64_t batch_size() const override { return options_.batch_size; }
  int64_t length() const override { return task_.context_length(); }

 private:
  const Task& task_;
  WindowOptions options_;
  uint64_t seed_;
  int64_t examples_;
};

// Held-out examples first … first + rows - 1 of one length.
Batch evaluation_examples(const Task& task, uint64_t seed, int64_t length, int64_t first, int64_t rows);

}  // namespace adder
