#include "framework/studies/calibration.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/studies/statistics.h"

namespace adder::studies {
namespace {

double pace_of(const Arm& arm, const JsonValue& result) {
  const JsonValue* arms = result.find("arms");
  const JsonValue* values = arms ? arms->find(arm.name) : nullptr;
  const JsonValue* rounds = values ? values->find("pace") : nullptr;
  if (!rounds || rounds->items.empty())
    throw UnreadableError("the calibration has no pace of " + arm.name + "; remove its folder below runs, and it is made again");
  std::vector<double> list;
  for (const JsonValue& x : rounds->items) list.push_back(number_of(x));
  return statistics::median(list);
}

std::string in_words(int64_t steps, double pace, const std::string& reference) {
  return "training.steps " + std::to_string(steps) + " in the time of " + reference + ", at " + std::to_string(std::llround(1 / pace)) + " tokens/s";
}

}  // namespace

void give_time(std::vector<Arm>& arms, const StudyConfig& study, const JsonValue& result, const ModelFactory& factory) {
  const auto named = [&](const Arm& a) { return a.name == study.match.reference; };
  const Arm& reference = *std::find_if(arms.begin(), arms.end(), named);
  const TrainingConfig& t = reference.config.training;
  const double time = double(t.steps * t.tokens_a_step()) * pace_of(reference, result);
  for (Arm& arm : arms) {
    if (arm.counts) continue;
    const double pace = pace_of(arm, result);
    const int64_t steps = std::max<int64_t>(1, std::llround(time / (pace * double(arm.config.training.tokens_a_step()))));
    if (!named(arm)) {
      arm = arm.with_key("training.steps", JsonValue(steps));
      arm.config = arm.with_seed(study.seeds[0], factory);
    }
    arm.note += (arm.note.empty() ? "" : "; ") + in_words(steps, pace, study.match.reference);
  }
}

}  // namespace adder::studies
