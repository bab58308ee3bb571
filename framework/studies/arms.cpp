#include "framework/studies/arms.h"

#include <algorithm>
#include <cmath>

#include "framework/config/tree.h"
#include "framework/core/error.h"
#include "framework/core/words.h"
#include "framework/measure/plan.h"
#include "framework/studies/fits.h"
#include "framework/studies/measures/state_bytes.h"
#include "kernels/rehearsal.h"

namespace adder::studies {
namespace {

using Kind = JsonValue::Kind;
constexpr int64_t kMostUnits = 1 << 16;

std::string shown(const JsonValue& value) { return value.is(Kind::string) ? value.string : dump(value, -1); }

struct Choice {
  std::string name;
  JsonValue changes = JsonValue::object();
};

// Keys of a "set": dots in a name make sections of it.
JsonValue sections_of(const JsonValue& set) {
  JsonValue tree = JsonValue::object();
  for (const JsonValue& item : set.items) {
    if (item.key.empty() || item.key.front() == '.' || item.key.back() == '.' || item.key.find("..") != std::string::npos)
      throw UsageError(item.key_place.text() + ": \"" + item.key + "\" is no key path such as model.d_model");
    merge(tree, nested(item.key, item));
  }
  return tree;
}

// A null in a "set" takes the base's key away.
void drop_nulls(JsonValue& tree) {
  std::erase_if(tree.items, [](const JsonValue& item) { return item.is(Kind::null); });
  for (JsonValue& item : tree.items)
    if (item.is(Kind::object)) drop_nulls(item);
}

std::vector<Choice> choices_of(const AxisConfig& axis) {
  std::vector<Choice> list;
  for (const ArmConfig& arm : axis.arms) list.push_back({arm.name, sections_of(arm.set.tree)});
  for (const JsonValue& value : axis.values) list.push_back({shown(value), nested(axis.key, value)});
  return list;
}

std::vector<Choice> combinations(const StudyConfig& study) {
  std::vector<Choice> all = {{"", JsonValue::object()}};
  for (const AxisConfig& axis : study.axes) {
    std::vector<Choice> longer;
    for (const Choice& before : all)
      for (const Choice& choice : choices_of(axis)) {
        Choice both = before;
        both.name += (both.name.empty() ? "" : " ") + choice.name;
        merge(both.changes, choice.changes);
        longer.push_back(std::move(both));
      }
    all = std::move(longer);
  }
  if (all.size() == 1 && all[0].name.empty()) all[0].name = "base";
  return all;
}

void set_key(JsonValue& tree, const std::string& path, JsonValue value, const std::string& source) {
  value.place = value.key_place = {source, 0, 0};
  merge(tree, nested(path, std::move(value)));
}

void count(Arm& arm, const ModelFactory& factory) {
  if (arm.config.model.counts) return;
  const Plan plan = rehearse(arm.config, factory, arm.vocabulary);
  arm.all_parameters = arm.parameters = plan.parameters;
  for (const auto& [module, size] : plan.modules)
    if (module == "embedding" || module == "head" || module == "positions") arm.parameters -= size;
  arm.flops = plan.step.flops / double(plan.tokens);
  const kernels::Rehearsal rehearsal;
  const auto model = factory.make(arm.config.model, arm.vocabulary, uint64_t(arm.config.seed), arm.config.dtype());
  arm.state_bytes = double(state_bytes(*model, arm.config.training.context_length));
}

void read(Arm& arm, const StudyConfig& study, const Surroundings& around) {
  arm.config = read_config(arm.tree, study.source, around.factory);
  arm.counts = arm.config.model.counts;
  if (!arm.vocabulary) arm.vocabulary = around.vocabulary(arm.config);
  count(arm, around.factory);
}

double matched(const Arm& arm, const std::string& what) {
  if (what == "flops") return arm.flops;
  return what == "state" ? arm.state_bytes : double(arm.parameters);
}

const JsonValue* value_at(const JsonValue& tree, const std::string& path) {
  const JsonValue* value = &tree;
  for (size_t start = 0; value && start <= path.size();) {
    const size_t end = std::min(path.find('.', start), path.size());
    value = value->find(path.substr(start, end - start));
    start = end + 1;
  }
  return value;
}

// The width whose count is nearest to the target; counts rise with it.
void solve(Arm& arm, double target, const StudyConfig& study, const Surroundings& around) {
  const MatchConfig& m = study.match;
  const auto at = [&](int64_t units) {
    Arm tried = arm;
    set_key(tried.tree, m.key, JsonValue(units * m.multiple), study.source + " (match)");
    read(tried, study, around);
    return tried;
  };
  const auto below_target = [&](int64_t units) { return matched(at(units), m.what) < target; };
  int64_t low = 1, high = 1;
  while (high < kMostUnits && below_target(high)) low = high + 1, high *= 2;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (below_target(middle)) low = middle + 1;
    else high = middle;
  }
  Arm best = at(low);
  if (low > 1)
    if (Arm below = at(low - 1); std::abs(matched(below, m.what) - target) < std::abs(matched(best, m.what) - target)) best = below;
  const double miss = matched(best, m.what) / target - 1;
  const JsonValue* width = value_at(best.tree, m.key);
  best.note = m.key + " " + (width ? shown(*width) : "?") + " solved for, " + m.what + " " + dump(JsonValue(std::round(miss * 1e4) / 1e2)) + " % off";
  if (std::abs(miss) > m.tolerance)
    throw UsageError(study.source + ": match: " + arm.name + " can't be matched: the nearest, " + best.note + ", expected within " +
                     dump(JsonValue(m.tolerance * 100)) + " %; a smaller match.multiple or a larger tolerance may do");
  arm = best;
}

// Keys that would move the steps, or the time that one takes, after it was measured.
void check_budget(const std::vector<Arm>& arms, const StudyConfig& study) {
  if (!study.match.by_time()) return;
  const std::string where = study.source + ": match: budget is \"time\", ", &named = study.match.reference, &swept = study.sweep.key;
  const Arm* reference = reference_of(arms, study);
  if (!reference)
    throw UsageError(where + "the training time of match.reference, " +
                     (named.empty() ? "and there is none; give the name of an arm" : "but no arm that is trained is named \"" + named + "\""));
  if (study.sweep.given() && !swept.starts_with("optimizer.") && !swept.starts_with("schedule."))
    throw UsageError(where + "but sweep.key is " + swept + ", which changes the time of a step; sweep a key of optimizer or schedule");
  for (const Arm& arm : arms) {
    const Config& c = arm.config;
    if (arm.counts) continue;
    const auto refuse = [&](const std::string& what) { throw UsageError(where + "but arm " + arm.name + " has " + what); };
    if (c.training.steps != reference->config.training.steps) refuse("training.steps of its own; the time decides them");
    if (c.decay_steps_given()) refuse("schedule.decay_steps; leave it away, and the decay ends with the arm's own steps");
    if (c.evaluation.stop_when_solved) refuse("evaluation.stop_when_solved, which ends a run before its time; set it to false");
    if (!c.data.batches.empty()) refuse("data.batches, whose shape is the file's; give text or a task");
  }
}

void match(std::vector<Arm>& arms, const StudyConfig& study, const Surroundings& around) {
  const MatchConfig& m = study.match;
  check_budget(arms, study);
  if (m.what == "none") return;
  const bool by_target = m.target != 0;
  if (!m.by_time() && by_target != m.reference.empty()) throw UsageError(study.source + ": match: give either reference or target");
  double target = double(m.target);
  for (const Arm& arm : arms)
    if (!by_target && arm.name == m.reference) target = matched(arm, m.what);
  if (target == 0) throw UsageError(study.source + ": match.reference: there is no arm \"" + m.reference + "\"");
  for (Arm& arm : arms)
    if (!arm.counts && (by_target || arm.name != m.reference)) solve(arm, target, study, around);
}

void check_measures(const StudyConfig& study, const std::vector<Arm>& arms, const Surroundings& around) {
  for (const MeasureConfig& m : study.measures) {
    if (m.measure->when() == When::swept && study.sweep.values.size() < 2)
      throw UsageError(study.source + ": measures: " + m.name + " is of a sweep, and there is none; give sweep.values, at least two");
    for (const Arm& arm : arms) {
      if (arm.counts && m.measure->when() != When::trained)
        throw UsageError(study.source + ": measures: " + m.name + ": the arm " + arm.name + " counts the text, it has nothing of this kind");
      const std::string where = study.source + ": arm " + arm.name;
      m.measure->check(arm.config, where);
      const int64_t needed = m.measure->tokens_needed(), tokens = needed ? around.tokens(arm.config) : 0;
      if (tokens < needed)
        throw UsageError(where + ": the measure " + m.name + " reads stretches of " + std::to_string(needed - 1) + " tokens, but the split that losses are of has " +
                         std::to_string(tokens) + "; measure shorter ones, or set data.test_fraction");
    }
  }
}

// A sweep chooses by the validation split, which must be there.
void check_sweep(const StudyConfig& study, const std::vector<Arm>& arms) {
  if (!study.sweep.given()) return;
  for (const Arm& arm : arms) {
    const DataConfig& d = arm.config.data;
    if (!d.task.given() && !d.is_generated() && d.validation.empty() && d.validation_fraction == 0)
      throw UsageError(study.source + ": sweep: there is no validation split to choose by; set data.validation_fraction");
  }
}

void check_claims(const StudyConfig& study, const std::vector<Arm>& arms) {
  for (const ClaimConfig& claim : study.claims) {
    const std::string where = claim.place.text() + ": claims: " + claim.id + ": ";
    std::vector<std::string> names;
    for (const Arm& arm : arms) names.push_back(arm.name);
    for (const std::string& name : claim.arms) {
      const auto arm = std::find_if(arms.begin(), arms.end(), [&](const Arm& a) { return a.name == name; });
      if (arm == arms.end()) throw UsageError(where + "there is no arm \"" + name + "\"; arms: " + listed(names));
      const std::vector<std::string> values = value_names(study, *arm);
      if (std::find(values.begin(), values.end(), claim.measure) == values.end())
        throw UsageError(where + "there is no value \"" + claim.measure + "\" of " + name + "; values: " + listed(values));
    }
  }
}

}  // namespace

Arm Arm::with_key(const std::string& path, JsonValue value) const {
  Arm changed = *this;
  set_key(changed.tree, path, std::move(value), config.source);
  return changed;
}

Config Arm::with_seed(int64_t seed, const ModelFactory& factory) const {
  JsonValue seeded = tree;
  set_key(seeded, "seed", JsonValue(seed), config.source);
  Config c = read_config(std::move(seeded), config.source, factory);
  c.name = name;
  return c;
}

const Arm* reference_of(const std::vector<Arm>& arms, const StudyConfig& study) {
  const auto named = std::find_if(arms.begin(), arms.end(), [&](const Arm& a) { return a.name == study.match.reference && !a.counts; });
  return named == arms.end() ? nullptr : &*named;
}

std::vector<std::string> value_names(const StudyConfig& study, const Arm& arm, bool of_runs) {
  std::vector<std::string> names;
  for (const MeasureConfig& m : study.measures) {
    if (of_runs && m.measure->when() != When::trained && m.measure->when() != When::reread) continue;
    for (const std::string& value : m.measure->values(arm.config)) names.push_back(m.name + "." + value);
  }
  return names;
}

std::vector<std::string> values_of(const Measure& measure, const std::vector<Arm>& arms) {
  std::vector<std::string> all;
  for (const Arm& arm : arms)
    for (const std::string& value : measure.values(arm.config))
      if (std::find(all.begin(), all.end(), value) == all.end()) all.push_back(value);
  return all;
}

std::vector<Arm> arms_of(const StudyConfig& study, const Surroundings& around) {
  std::vector<Arm> arms;
  for (Choice& choice : combinations(study)) {
    Arm arm;
    arm.name = choice.name, arm.tree = study.base.tree;
    merge(arm.tree, choice.changes);
    drop_nulls(arm.tree);
    set_key(arm.tree, "seed", JsonValue(study.seeds[0]), study.source);
    read(arm, study, around);
    arms.push_back(std::move(arm));
  }
  match(arms, study, around);
  check_measures(study, arms, around);
  check_sweep(study, arms);
  check_claims(study, arms);
  check_fits(study, arms);
  return arms;
}

}  // namespace adder::studies
