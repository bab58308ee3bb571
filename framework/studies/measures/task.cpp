// solved: whether the task's threshold was reached after the last step. accuracy: the share of scored tokens that are
// right, at each length ("accuracy@64"). steps: to the first evaluation that solved it; a run that never did has none.
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
  Values of_run(const JsonValue& result) const override {
    Values values;
    const JsonValue* task = result.find("task");
    if (!task) return values;
    for (const JsonValue& item : task->items) values.emplace_back(item.key, item.is(JsonValue::Kind::integer) ? double(item.integer) : item.number);
    return values;
  }
};

}  // namespace

std::shared_ptr<Measure> make_task() { return std::make_shared<TaskMeasure>(); }

}  // namespace adder::studies
