#include <memory>

#include "framework/core/error.h"
#include "framework/data/tasks/task.h"

namespace adder {

TaskKind adding_task();
TaskKind copy_memory_task();
TaskKind dyck_task();
TaskKind group_word_task();
TaskKind induction_heads_task();
TaskKind mqar_task();
TaskKind parity_task();
TaskKind selective_copying_task();
TaskKind temporal_order_task();

const std::vector<TaskKind>& task_kinds() {
  static const std::vector<TaskKind> table = {
      adding_task(),      copy_memory_task(), dyck_task(),   group_word_task(),        induction_heads_task(),
      mqar_task(),        parity_task(),      selective_copying_task(), temporal_order_task(),
  };
  return table;
}

const Task& task_of(const TaskConfig& config) {
  const auto* task = dynamic_cast<const Task*>(config.options.get());
  if (!task) throw Error("[tasks] the options of data.task are not those of a task");
  return *task;
}

const char* name(TaskMetric metric) {
  switch (metric) {
    case TaskMetric::token_accuracy: return "token_accuracy";
    case TaskMetric::sequence_accuracy: return "sequence_accuracy";
    case TaskMetric::loss: return "loss";
  }
  return "";
}

}  // namespace adder
