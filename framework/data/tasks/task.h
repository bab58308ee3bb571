// A synthetic task: examples made from a counter-based stream of random numbers, and what is known of it before
// any model is trained. One file a task, parity.cpp the shortest, and its line in registry.cpp.
#pragma once
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "framework/config/task_config.h"
#include "framework/core/random.h"
#include "framework/data/batches.h"

namespace adder {

// Where an example is written: the row of a batch, of as many positions as it needs or more. All of it is
// padding at first: ids, features and targets 0, labels kIgnoreLabel.
struct Example {
  int32_t* ids = nullptr;      // [positions]; null where inputs are real
  int32_t* labels = nullptr;   // [positions]  the id to be told here; of a task with real inputs 0 where scored
  float* features = nullptr;   // [positions, features]; null where inputs are ids
  float* targets = nullptr;    // [positions]  the number to be told here; null likewise
};

enum class TaskMetric { token_accuracy, sequence_accuracy, loss };
const char* name(TaskMetric metric);  // "token_accuracy", …

// What is known of a task at one length.
struct TaskFacts {
  TaskMetric metric = TaskMetric::token_accuracy;            // that the threshold is of; a loss is to fall below it
  double chance = std::numeric_limits<double>::quiet_NaN();  // token accuracy of that predictor; NaN: none
  double baseline_loss = 0;                                  // its loss: nats a scored token, or mean squared error
  std::string baseline;                                      // the best predictor without memory, in words
};

struct Task : TaskOptions {
  virtual int64_t vocabulary() const { return 1; }  // ids of inputs and labels; with real inputs the one output
  // Writes an example of that length. What is drawn comes from `random` alone, which is this example's own.
  virtual void make(const Random& random, int64_t length, const Example& out) const = 0;
  virtual TaskFacts facts(int64_t length) const = 0;

  bool real() const { return features() > 0; }
  double highest_threshold() const override {
    return facts(length).metric == TaskMetric::loss ? std::numeric_limits<double>::infinity() : 1;
  }
  // Whether a metric's value (facts().metric) is good enough.
  bool reached(double value, double threshold) const {
    return facts(length).metric == TaskMetric::loss ? value <= threshold : value >= threshold;
  }
};

// All tasks, for configs to choose from; and one of them, from its class.
const std::vector<TaskKind>& task_kinds();
template <class T>
TaskKind task_kind(const char* name, const char* doc) {
  return {name, doc, [] { return std::make_shared<T>(); }};
}
// The task of a config that has one (config.given()).
const Task& task_of(const TaskConfig& config);

// Draws one number after another from a stream.
class Draws {
 public:
  explicit Draws(const Random& random) : random_(random) {}
  int64_t below(int64_t bound) { return int64_t(random_.below(next_++, uint64_t(bound))); }
  double uniform() { return random_.uniform(next_++); }  // [0, 1)

 private:
  const Random& random_;
  uint64_t next_ = 0;
};

}  // namespace adder
