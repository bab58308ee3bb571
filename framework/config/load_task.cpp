#include <algorithm>

#include "framework/config/loading.h"
#include "framework/core/error.h"

namespace adder {
namespace {

std::string shown(double x) { return dump(JsonValue(x)); }

const JsonValue* task_section(const JsonValue& tree) {
  const JsonValue* data = tree.find("data");
  const JsonValue* task = data && data->is(JsonValue::Kind::object) ? data->find("task") : nullptr;
  return task && task->is(JsonValue::Kind::object) ? task : nullptr;
}

// Keys of a section that a task leaves without a meaning must stand at their defaults.
void refuse_others(const Config& config, Options& section, const std::string& prefix, const std::vector<std::string>& keys,
                   Options& standard, const std::string& why) {
  const JsonValue found = write_fields(section), usual = write_fields(standard);
  for (const std::string& key : keys)
    if (dump(*found.find(key)) != dump(*usual.find(key)))
      refuse(config, {prefix + key}, prefix + key + " is given beside data.task, " + why + "; remove it");
}

void check_company(Config& c) {
  DataConfig no_data;
  EvaluationConfig no_evaluation;
  std::vector<std::string> keys;
  for (const JsonValue& item : write_fields(no_data).items)
    if (item.key != "task") keys.push_back(item.key);
  refuse_others(c, c.data, "data.", keys, no_data, "which makes its own data");
  refuse_others(c, c.evaluation, "evaluation.", {"window", "stride", "random_windows", "state"}, no_evaluation,
                "whose examples are evaluated whole");
  if (c.training.state == "carry")
    refuse(c, {"training.state"},
           "training.state is \"carry\", but every example of a task stands alone; set it to \"reset\"");
}

void check_lengths(const Config& c) {
  const TaskConfig& task = c.data.task;
  const TaskOptions& options = *task.options;
  if (options.min_length > options.length)
    refuse(c, {"data.task.min_length", "data.task.length"},
           "data.task.min_length is " + std::to_string(options.min_length) + ", expected at most data.task.length, " +
               std::to_string(options.length));
  std::vector<int64_t> lengths = task.lengths();
  if (options.min_length) lengths.push_back(options.min_length);
  for (const int64_t length : lengths) {
    const std::string problem = options.problem(length);
    if (!problem.empty())
      refuse(c, {"data.task.length", "data.task.evaluation_lengths", "data.task.name"},
             "data.task: length " + std::to_string(length) + ": " + problem);
    const int64_t positions = options.positions(length);
    if (c.model.positions == "learned" && positions > c.model.max_positions)
      refuse(c, {"model.max_positions", "data.task.evaluation_lengths"},
             "model.max_positions is " + std::to_string(c.model.max_positions) + ", but an example of length " +
                 std::to_string(length) + " (data.task) has " + std::to_string(positions) +
                 " positions; raise it, or leave the length out");
  }
}

// Real numbers go in and one comes out: no embedding is there to be tied, and there is no softmax.
void settle_features(Config& c) {
  c.model.features = c.data.task.options->features();
  if (c.model.features == 0) return;
  const std::string why = " does not go with the task " + c.data.task.name + ", whose inputs are real numbers; ";
  if (c.given.contains("model.tie_embeddings") && c.model.tie_embeddings)
    refuse(c, {"model.tie_embeddings"}, "model.tie_embeddings" + why + "set it to false");
  c.model.tie_embeddings = false;
  if (c.training.z_loss != 0) refuse(c, {"training.z_loss"}, "training.z_loss" + why + "remove it");
}

}  // namespace

void choose_task(const JsonValue& tree, Config& config, const ModelFactory& factory) {
  const JsonValue* section = task_section(tree);
  if (!section) return;
  const JsonValue* named = section->find("name");
  const std::string name = !named ? "" : named->is(JsonValue::Kind::string) ? named->string : named->raw;
  if (named && name.empty()) return;  // the resolved config of a run on text
  config.data.task.name = name;
  std::vector<std::string> names;
  for (const TaskKind& kind : factory.tasks()) {
    if (kind.name == name) config.data.task.options = kind.options();
    names.push_back(kind.name);
  }
  if (config.data.task.given()) return;
  std::string known;
  for (const std::string& other : names) known += (known.empty() ? "; known: " : ", ") + other;
  if (!named) throw UsageError(section->place.text() + ": data.task.name is missing" + known);
  const std::string near = nearest(name, names);
  throw UsageError(named->place.text() + ": data.task.name: unknown task " + dump(JsonValue(name)) +
                   (near.empty() ? "" : "; did you mean \"" + near + "\"?") + known);
}

void note_other_tasks(KnownKeys& known, const Config& config, const ModelFactory& factory) {
  std::map<std::string, std::string> owners;
  for (const TaskKind& kind : factory.tasks())
    for (const std::string& key : key_paths(*kind.options(), "data.task."))
      owners[key] += (owners[key].empty() ? "belongs to the task " : " or ") + kind.name;
  const std::string& name = config.data.task.name;
  for (const auto& [key, reason] : owners)
    if (std::find(known.paths.begin(), known.paths.end(), key) == known.paths.end())
      known.elsewhere[key] = reason + (name.empty() ? "; set data.task.name, or remove the key"
                                                    : "; data.task.name is \"" + name +
                                                          "\": remove the key, or change the task");
}

void settle_task(Config& c) {
  TaskConfig& task = c.data.task;
  if (!task.given()) {
    if (c.evaluation.stop_when_solved)
      refuse(c, {"evaluation.stop_when_solved"},
             "evaluation.stop_when_solved needs a task that can be solved; give data.task, or remove the key");
    return;
  }
  check_company(c);
  const int64_t length = task.options->context_length();
  if (c.given.contains("training.context_length") && c.training.context_length != length)
    refuse(c, {"training.context_length"},
           "training.context_length is " + std::to_string(c.training.context_length) + ", but the task " + task.name +
               " has rows of " + std::to_string(length) + " positions; remove the key");
  c.training.context_length = length;
  if (c.model.positions == "learned" && c.model.max_positions == 0) c.model.max_positions = length;
  check_lengths(c);
  settle_features(c);
  if (task.threshold == 0) task.threshold = task.options->default_threshold();
  if (task.threshold > task.options->highest_threshold())
    refuse(c, {"data.task.threshold"},
           "data.task.threshold is " + shown(task.threshold) + ", but the metric of the task " + task.name +
               " is a share: expected at most 1");
}

}  // namespace adder
