#include "framework/config/counting_config.h"

#include <algorithm>

#include "framework/core/error.h"

namespace adder {
namespace {

[[noreturn]] void refuse(const Config& c, const std::string& key, const std::string& what) {
  const auto place = c.given.find(key);
  throw UsageError((place == c.given.end() ? c.source : place->second.text()) + ": " + key + what);
}

// Keys that were given other than they are by default have no effect.
void refuse_idle(const Config& c, const std::string& section, Options& ours, Options& standard,
                 const std::vector<std::string>& settled) {
  const JsonValue found = write_fields(ours), usual = write_fields(standard);
  for (const JsonValue& item : found.items) {
    const std::string key = section + "." + item.key;
    if (!c.given.contains(key) || dump(item, -1) == dump(*usual.find(item.key), -1)) continue;
    if (std::find(settled.begin(), settled.end(), item.key) != settled.end()) continue;
    refuse(c, key, " has no effect: the architecture " + c.model.architecture +
                       " counts the text in one pass; remove the key");
  }
}

void refuse_what_counting_ignores(const Config& given) {
  Config c = given;
  const std::string& name = c.model.architecture;
  if (!c.data.batches.empty())
    refuse(c, "data.batches", ": the architecture " + name + " counts a text, expected data.train or data.generated");
  if (c.data.task.given())
    refuse(c, "data.task.name", ": the architecture " + name + " counts a text, expected data.train or data.generated");
  if (c.given.contains("training.steps") && c.training.steps != 1)
    refuse(c, "training.steps", " is " + std::to_string(c.training.steps) + ", but the architecture " + name +
                                    " counts the text in one pass; remove the key, or set it to 1");
  TrainingConfig training;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  refuse_idle(c, "training", c.training, training, {"steps", "context_length"});
  refuse_idle(c, "optimizer", c.optimizer, optimizer, {});
  refuse_idle(c, "schedule", c.schedule, schedule, {"decay_steps"});
}

}  // namespace

void settle_counting(Config& c, Use use) {
  if (!c.model.counts) return;
  if (use == Use::train) refuse_what_counting_ignores(c);
  c.training.steps = c.schedule.decay_steps = 1;
  if (!c.given.contains("evaluation.state")) c.evaluation.state = "carry";
}

}  // namespace adder
