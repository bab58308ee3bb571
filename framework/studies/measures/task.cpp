// solved: whether the task's threshold was reached after the last step. accuracy: the share of scored tokens that are
// right, at each length ("accuracy@64"). steps: to the first evaluation that solved it; a run that never did took more than it had.
#include "framework/core/error.h"
#include "framework/studies/measures/measure.h"

namespace adder::studies {
namespace {

class TaskMeasure : public Measure {
 public:
  When when() const override { return When::trained; }
  std::vector<std::string> values(const Config& config) const override {
    std::vector<std::string> names = {"solved", "steps"};
    if (!config.data.task.given() || config.data.task.options->features()) return names;
    for (const int64_t length : config.data.task.lengths()) names.push_back("accuracy@" + std::to_string(length));
    return names;
  }
  std::string unit(const std::string& value) const override {
    return value == "solved" ? "share of runs" : value == "steps" ? "steps" : "share of tokens";
  }
  bool yes_or_no(const std::string& value) const override { return value == "solved"; }
  void fields(Fields&) override {}
  void check(const Config& arm, const std::string& where) const override {
    if (!arm.data.task.given()) throw UsageError(where + ": the measure task needs a base with data.task");
  }
  bool waiting(const std::string& value) const override { return value == "steps"; }
  Values of_run(const Ran& run) const override {
    Values values;
    const JsonValue* task = run.result.find("task");
    if (!task) return values;
    for (const JsonValue& item : task->items) values.emplace_back(item.key, number_of(item));
    return values;
  }
  Values censored(const Ran& run) const override {
    const JsonValue* task = run.result.find("task");
    if (!task || task->find("steps")) return {};
    return {{"steps", double(run.config.training.steps)}};
  }
};

}  // namespace

std::shared_ptr<Measure> make_task() { return std::make_shared<TaskMeasure>(); }

}  // namespace adder::studies
