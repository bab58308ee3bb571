// A task from its config, as a run has it.
#pragma once
#include <string>
#include <vector>

#include "framework/config/config.h"
#include "framework/data/tasks/task_data.h"
#include "models/registry.h"

namespace adder {

// `keys`: of data.task, as JSON members: "\"name\": \"parity\", \"length\": 8".
inline TaskConfig task_config(const std::string& keys) {
  return parse_config(R"({"data": {"task": {)" + keys + R"(}}, "model": {"architecture": "lstm"}})", "task.json", {},
                      model_registry())
      .data.task;
}

// Owns the options that task_of() only borrows.
struct OneTask {
  TaskConfig config;
  explicit OneTask(const std::string& keys) : config(task_config(keys)) {}
  const Task& operator*() const { return task_of(config); }
  const Task* operator->() const { return &task_of(config); }
};

inline std::vector<int32_t> row(const Tensor& t, int64_t r) {
  const int64_t n = t.dim(1);
  const int32_t* values = t.data<int32_t>() + r * n;
  return {values, values + n};
}

}  // namespace adder
