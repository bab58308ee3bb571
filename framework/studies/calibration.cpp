#include "framework/studies/calibration.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/studies/statistics.h"

namespace adder::studies {
namespace {

std::vector<double> paces_of(const Arm& arm, const JsonValue& result, const std::string& path) {
  const JsonValue* arms = result.find("arms");
  const JsonValue* values = arms ? arms->find(arm.name) : nullptr;
  const JsonValue* rounds = values ? values->find("pace") : nullptr;
  std::vector<double> list;
  for (const JsonValue& x : rounds ? rounds->items : std::vector<JsonValue>()) list.push_back(number_of(x));
  if (list.empty() || !std::all_of(list.begin(), list.end(), [](double x) { return std::isfinite(x) && x > 0; }))
    throw UnreadableError(path + ": tells no pace of " + arm.name + " that could be used; remove the folder to time all arms again: " +
                          "runs whose steps change are made again, too");
  return list;
}

// How many steps of the arm fit into `time` seconds.
int64_t steps_in(double time, double pace, const Arm& arm, const StudyConfig& study) {
  const double fit = time / (pace * double(arm.config.training.tokens_a_step()));
  const int64_t steps = std::max<int64_t>(1, std::llround(fit));
  if (std::abs(double(steps) / fit - 1) > study.match.tolerance)
    throw UsageError(study.source + ": match: " + dump(JsonValue(std::round(100 * fit) / 100)) + " steps of " + arm.name + " fit into the time of " +
                     study.match.reference + ", which whole steps miss by more than match.tolerance; raise the reference's training.steps");
  return steps;
}

void take_steps(Arm& arm, int64_t steps, const StudyConfig& study, const ModelFactory& factory) {
  arm = arm.with_key("training.steps", JsonValue(steps));
  try {
    arm.config = arm.with_seed(study.seeds[0], factory);
  } catch (const UsageError& problem) {
    throw UsageError(study.source + ": match: " + std::to_string(steps) + " steps of " + arm.name + " fit into the time of " +
                     study.match.reference + ", and its config refuses them: " + problem.what());
  }
}

}  // namespace

void give_time(std::vector<Arm>& arms, const StudyConfig& study, const JsonValue& result, const std::string& path, const ModelFactory& factory) {
  for (Arm& arm : arms)
    if (!arm.counts) arm.paces = paces_of(arm, result, path);
  const Arm& reference = *reference_of(arms, study);
  const TrainingConfig& t = reference.config.training;
  const double time = double(t.steps * t.tokens_a_step()) * statistics::median(reference.paces);
  const JsonValue* threads = result.find("threads");
  for (Arm& arm : arms) {
    if (arm.counts) continue;
    const double pace = statistics::median(arm.paces);
    const int64_t steps = steps_in(time, pace, arm, study);
    if (arm.name != reference.name) take_steps(arm, steps, study, factory);
    arm.note += (arm.note.empty() ? "" : "; ") + ("training.steps " + std::to_string(steps)) + " in the time of " + reference.name + ", at " +
                std::to_string(std::llround(1 / pace)) + " tokens/s" + (threads ? " on " + dump(*threads, -1) + (threads->integer == 1 ? " thread" : " threads") : "");
  }
}

}  // namespace adder::studies
