// What a config says of a synthetic task. Config stands to the left of data: it reads and checks a task's keys
// without knowing any task; the program hands in the table (ModelFactory::tasks), framework/data/tasks has them.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "framework/config/fields.h"

namespace adder {

// The keys of one task, and what follows from them. data/tasks/task.h adds the making of examples.
struct TaskOptions : Options {
  int64_t length = 64;     // of training examples, the longest; what it counts is the task's to say
  int64_t min_length = 0;  // of the shortest; 0: length

  virtual int64_t positions(int64_t length) const { return length; }  // of a row that holds such an example
  virtual int64_t features() const { return 0; }                      // real inputs a position; 0: token ids
  virtual double default_threshold() const = 0;                       // of the task's metric
  virtual double highest_threshold() const = 0;                       // that this metric can have
  virtual std::string problem(int64_t) const { return ""; }           // why there is no example of that length

  int64_t context_length() const { return positions(length); }

 protected:
  void length_fields(Fields& f, const char* what_length_counts);
};

struct TaskConfig : Options {
  std::string name;  // empty: there is no task
  // The keys that the task declares. Not changed once read, so that copies may share it.
  std::shared_ptr<const TaskOptions> options;
  int64_t examples = 0;
  std::vector<int64_t> evaluation_lengths;
  int64_t evaluation_examples = 256;
  double threshold = 0;  // a loaded config holds the number itself
  int64_t threshold_length = 0;
  void fields(Fields& f) override;

  bool given() const { return options != nullptr; }
  // Where it is decided whether the task counts as solved.
  int64_t goal_length() const { return threshold_length ? threshold_length : options->length; }
  // All that are evaluated, each once, in rising order.
  std::vector<int64_t> lengths() const;
};

struct TaskKind {
  std::string name;
  std::string doc;
  std::function<std::shared_ptr<TaskOptions>()> options;  // fresh, with defaults
};

}  // namespace adder
