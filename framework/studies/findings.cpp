#include "framework/studies/findings.h"

#include <algorithm>
#include <cmath>

#include "framework/studies/calibration.h"

namespace adder::studies {
namespace {

// What each stretch of the text gives of a value: "quality.loss" -> arm -> by run.
using Stretches = std::map<std::string, std::map<std::string, std::vector<std::vector<double>>>>;

void add(Sample& sample, int64_t key, double value) {
  if (!std::isfinite(value)) {
    ++sample.failed;
    return;
  }
  sample.keys.push_back(key), sample.values.push_back(value);
}

double value_in(const Values& values, const std::string& name) {
  for (const auto& [found, x] : values)
    if (found == name) return x;
  return NAN;
}

// The values of a measure for an arm and seed, those that are missing as failures, unless the run was only too short for them.
void take_values(const StudyPlan& plan, const Job& job, const MeasureConfig& m, const Values& values, const Values& at_least, Findings& o) {
  const Arm& arm = plan.arms[job.arms[0]];
  for (const std::string& name : m.measure->values(arm.config)) {
    if (m.measure->paced() && (name == "pace" || name == "seconds")) continue;
    Sample& sample = o.samples[m.name + "." + name][arm.name];
    if (const double bound = value_in(at_least, name); std::isfinite(bound)) sample.waiting_keys.push_back(job.seed), sample.at_least.push_back(bound);
    else add(sample, job.seed, value_in(values, name));
  }
}

// Tokens to seconds.
void apply_pace(const StudyPlan& plan, Findings& o) {
  for (const MeasureConfig& m : plan.study.measures) {
    if (!m.measure->paced()) continue;
    for (const Arm& arm : plan.arms) {
      const std::vector<double>& pace = o.samples[m.name + ".pace"][arm.name].values;
      if (pace.empty()) continue;
      Sample seconds = o.samples[m.name + ".tokens"][arm.name];
      for (double& x : seconds.values) x *= statistics::median(pace);
      for (double& x : seconds.at_least) x *= statistics::median(pace);
      o.samples[m.name + ".seconds"][arm.name] = std::move(seconds);
    }
  }
}

void take_run(const StudyPlan& plan, const Job& job, const JsonValue& result, Findings& o, Stretches& stretches) {
  const Arm& arm = plan.arms[job.arms[0]];
  if (const JsonValue* failed = result.find("failed")) o.failures.push_back(job.name + ": " + failed->string);
  if (const JsonValue* split = result.find("split")) o.split = split->string;
  if (const JsonValue* own = result.find("source_loss")) o.source_losses[arm.name] = number_of(*own);
  if (const JsonValue* rate = result.find("entropy_rate")) o.entropy_rates[arm.name] = number_of(*rate);
  if (const JsonValue* curve = result.find("curve")) {
    if (!o.curves.contains(arm.name)) o.curves[arm.name] = JsonValue::array();
    o.curves[arm.name].push(*curve);
  }
  if (const JsonValue* windows = result.find("windows")) {
    std::vector<double>& numbers = stretches["quality.loss"][arm.name].emplace_back();
    for (const JsonValue& x : windows->items) numbers.push_back(number_of(x));
  }
  for (const MeasureConfig& m : plan.study.measures)
    if (m.measure->when() == When::trained) {
      const Ran run{result, arm.config, arm.flops};
      take_values(plan, job, m, m.measure->of_run(run), m.measure->censored(run), o);
    }
}

void take_rereadings(const StudyPlan& plan, const Job& job, const std::string& runs, Findings& o, Stretches& stretches) {
  for (const Rereading& r : job.rereadings) {
    const MeasureConfig& m = plan.study.measures[r.measure];
    const Reread found = read_rereading(job, r, runs);
    take_values(plan, job, m, found.values, {}, o);
    for (const auto& [name, windows] : found.windows) stretches[m.name + "." + name][plan.arms[job.arms[0]].name].push_back(windows);
  }
}

void take_measurement(const StudyPlan& plan, const Job& job, const JsonValue& result, Findings& o) {
  const JsonValue* arms = result.find("arms");
  if (!arms) return;
  for (const JsonValue& arm : arms->items)
    for (const JsonValue& value : arm.items)
      for (size_t i = 0; i < value.items.size(); ++i)
        add(o.samples[plan.study.measures[job.measure].name + "." + value.key][arm.key], job.timed() ? int64_t(i) : job.seed,
            number_of(value.items[i]));
}

// The last loss on the validation split; NaN where the run failed.
double validation_loss(const JsonValue& result) {
  const JsonValue* curve = result.find("failed") ? nullptr : result.find("curve");
  return curve && !curve->items.empty() ? number_of(curve->items.back().items[1]) : NAN;
}

// What a trial is chosen by, the least: the loss that it ended with; of a task that it solved, and so ended early, less than
// any loss, the less the sooner.
double standing(const JsonValue& result) {
  const JsonValue* task = result.find("task");
  const JsonValue* steps = task ? task->find("steps") : nullptr;
  return steps && number_of(*steps) > 0 ? -1 / number_of(*steps) : validation_loss(result);
}

void take_trial(const StudyPlan& plan, const Job& job, const JsonValue& result, Findings& f) {
  add(f.trials[plan.arms[job.arms[0]].name][job.value], job.seed, validation_loss(result));
}

// By arm, and seed of the sweep: its trials in the order of the values.
using Trials = std::map<std::string, std::map<int64_t, std::vector<Trial>>>;

void gather_trial(const StudyPlan& plan, const Job& job, const JsonValue& result, Trials& trials) {
  const JsonValue* initial = result.find("initial_loss");
  trials[plan.arms[job.arms[0]].name][job.seed].push_back({job.value, validation_loss(result), initial ? number_of(*initial) : NAN});
}

// Only what was swept whole.
void take_sweeps(const StudyPlan& plan, const Trials& trials, Findings& o) {
  for (const MeasureConfig& m : plan.study.measures) {
    if (m.measure->when() != When::swept) continue;
    for (const auto& [arm, by_seed] : trials)
      for (const auto& [seed, list] : by_seed) {
        if (list.size() != plan.study.sweep.values.size()) continue;
        for (const auto& [name, value] : m.measure->of_trials(list)) add(o.samples[m.name + "." + name][arm], seed, value);
      }
  }
}

// Each arm takes the value of its sweep whose trials stand best on average; one with which a trial failed is none.
void choose(StudyPlan& plan, const std::string& runs, const ModelFactory& factory) {
  if (!plan.study.sweep.given()) return;
  std::map<std::string, std::map<double, Sample>> trials;
  for (const Job& job : plan.jobs)
    if (job.kind == Job::Kind::sweep) add(trials[plan.arms[job.arms[0]].name][job.value], job.seed, standing(read_result(job, runs)));
  for (Arm& arm : plan.arms) {
    if (arm.counts) continue;
    const std::vector<double>& values = plan.study.sweep.values;
    double best = values[0], least = INFINITY;
    for (const auto& [value, sample] : trials[arm.name])
      if (!sample.failed && statistics::mean(sample.values) < least) best = value, least = statistics::mean(sample.values);
    // The trials' jobs set the key themselves: that it stands in the tree changes no trial's hash.
    arm = arm.with_key(plan.study.sweep.key, JsonValue(best));
    arm.config = arm.with_seed(plan.study.seeds[0], factory);
    arm.at_edge = values.size() > 1 && (best == values.front() || best == values.back());
    arm.note += (arm.note.empty() ? "" : "; ") + plan.study.sweep.key + " " + dump(JsonValue(best)) + " of " + std::to_string(values.size()) +
                " tried" + (arm.at_edge ? ", at the edge of the sweep" : "");
  }
}

// Of each stretch, the mean over an arm's runs; empty where runs differ in their stretches.
std::vector<double> mean_of(const std::vector<std::vector<double>>& runs) {
  std::vector<double> mean(runs.empty() ? 0 : runs[0].size(), 0);
  for (const std::vector<double>& run : runs) {
    if (run.size() != mean.size()) return {};
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += run[i] / double(runs.size());
  }
  return mean;
}

// How sure a difference is of the text: blocks of at least 1,000 tokens, as neighbours are alike.
void bootstrap_text(const StudyPlan& plan, Stretches& stretches, Findings& o) {
  for (const ClaimConfig& claim : plan.study.claims) {
    if (!claim.paired() || claim.compare != "difference" || !stretches.contains(claim.measure)) continue;
    auto& by_arm = stretches[claim.measure];
    std::vector<double> difference = mean_of(by_arm[claim.arms[0]]);
    const std::vector<double> other = mean_of(by_arm[claim.arms[1]]);
    if (difference.empty() || difference.size() != other.size()) continue;
    for (size_t i = 0; i < other.size(); ++i) difference[i] -= other[i];
    int64_t window = 1;
    for (const MeasureConfig& m : plan.study.measures)
      if (claim.measure.starts_with(m.name + ".")) window = std::max(window, m.measure->window(plan.arms[0].config));
    const int64_t block = std::max<int64_t>(1, (1000 + window - 1) / window);
    const std::string pair = claim.arms[0] + " minus " + claim.arms[1];
    o.text_intervals[claim.measure == "quality.loss" ? pair : claim.measure + " of " + pair] = statistics::block_bootstrap(difference, block, 0.95, 4000);
  }
}

}  // namespace

StudyPlan plan_of(const StudyConfig& study, const Surroundings& around, const std::string& runs) {
  StudyPlan plan{study, arms_of(study, around), {}};
  const auto add = [&](std::vector<Job> jobs) {
    const bool done = std::all_of(jobs.begin(), jobs.end(), [&](const Job& j) { return state_of(j, runs) == JobState::finished; });
    for (Job& job : jobs) plan.jobs.push_back(std::move(job));
    return done;
  };
  plan.stage = Stage::calibrating;
  if (study.match.by_time()) {
    if (!add({calibration_of(study, plan.arms)})) return plan;
    give_time(plan.arms, study, read_result(plan.jobs[0], runs), runs + "/" + plan.jobs[0].folder, around.factory);
  }
  plan.stage = Stage::sweeping;
  if (!add(sweep_of(study, plan.arms, around))) return plan;
  choose(plan, runs, around.factory);
  plan.stage = Stage::running;
  add(jobs_of(study, plan.arms, around));
  return plan;
}

std::vector<NoiseFloor> noise_floors(const StudyPlan& plan, const Findings& f) {
  std::vector<NoiseFloor> list;
  const auto is_claimed = [&](const std::string& value) {
    return std::any_of(plan.study.claims.begin(), plan.study.claims.end(), [&](const ClaimConfig& c) { return c.measure == value; });
  };
  for (const bool claimed : {true, false})
    for (const std::string& value : f.values) {
      const Reading& r = f.reading_of.at(value);
      if (is_claimed(value) != claimed || r.exact || r.yes_or_no || r.timed || r.waiting || !f.samples.contains(value)) continue;
      NoiseFloor floor{value, {}};
      double squares = 0;
      for (const Arm& arm : plan.arms) {
        const auto s = f.samples.at(value).find(arm.name);
        if (s == f.samples.at(value).end() || s->second.values.size() < 2) continue;
        floor.deviations.emplace_back(arm.name, statistics::deviation(s->second.values));
        squares += floor.deviations.back().second * floor.deviations.back().second;
        const int64_t n = int64_t(s->second.values.size());
        floor.seeds = floor.seeds ? std::min(floor.seeds, n) : n;
      }
      if (floor.deviations.empty()) continue;
      floor.detectable = std::sqrt(2 * squares / double(floor.deviations.size())) * statistics::detectable_effect(floor.seeds, plan.study.alpha);
      list.push_back(std::move(floor));
    }
  return list;
}

Findings findings_of(const StudyPlan& plan, const std::string& runs) {
  Findings o;
  Stretches stretches;
  Trials trials;
  for (const Job& job : plan.jobs) {
    if (state_of(job, runs) != JobState::finished) {
      ++o.missing;
      continue;
    }
    const JsonValue result = read_result(job, runs);
    if (job.kind == Job::Kind::run) take_run(plan, job, result, o, stretches), take_rereadings(plan, job, runs, o, stretches);
    else if (job.kind == Job::Kind::sweep) take_trial(plan, job, result, o), gather_trial(plan, job, result, trials);
    else if (job.kind != Job::Kind::calibration) take_measurement(plan, job, result, o);
  }
  for (const MeasureConfig& m : plan.study.measures)
    for (const std::string& value : values_of(*m.measure, plan.arms)) {
      const std::string full = m.name + "." + value;
      o.values.push_back(full), o.units[full] = m.measure->unit(value);
      o.reading_of[full] = {m.measure->exact(value), m.measure->yes_or_no(value), m.measure->when() == When::timed || (m.measure->paced() && value == "pace"), m.measure->waiting(value)};
    }
  apply_pace(plan, o);
  take_sweeps(plan, trials, o);
  for (const ClaimConfig& c : plan.study.claims) o.readings.push_back(o.reading_of[c.measure]);
  o.verdicts = decide(plan.study.claims, o.readings, o.samples, plan.study.alpha);
  bootstrap_text(plan, stretches, o);
  o.fits = fits_of(plan, o);
  return o;
}

}  // namespace adder::studies
