#include "framework/studies/results_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>

#include "framework/core/error.h"
#include "framework/data/hdf5.h"
#include "framework/report/run_curves.h"
#include "framework/training/durable_file.h"
#include "framework/training/run_folder.h"

namespace adder::studies {
namespace {

using report::Curve;

Tensor numbers(const Shape& shape, const std::vector<double>& values) { return Tensor::from<double>(shape, values); }

void write_axis(Hdf5File& file, const std::string& path, const std::vector<int64_t>& values) {
  std::vector<double> axis(values.begin(), values.end());  // a double holds every step and seed up to 2^53
  file.write(path, numbers({int64_t(axis.size())}, axis));
}

template <class T>
size_t place_of(const std::vector<T>& list, const T& item) {
  return size_t(std::find(list.begin(), list.end(), item) - list.begin());
}

struct Axes {
  std::vector<std::string> arms;
  std::vector<int64_t> seeds, rounds;
};

Axes axes_of(const StudyPlan& plan, const Findings& f) {
  Axes axes;
  std::set<int64_t> seeds, rounds;
  for (const Job& job : plan.jobs)
    if (job.kind == Job::Kind::run) seeds.insert(job.seed);
  for (const Arm& arm : plan.arms) axes.arms.push_back(arm.name);
  for (const auto& [value, reading] : f.reading_of)
    if (const auto samples = f.samples.find(value); samples != f.samples.end())
      for (const auto& [arm, sample] : samples->second) (reading.timed ? rounds : seeds).insert(sample.keys.begin(), sample.keys.end());
  axes.seeds.assign(seeds.begin(), seeds.end()), axes.rounds.assign(rounds.begin(), rounds.end());
  return axes;
}

void write_values(Hdf5File& file, const std::string& group, const Axes& axes, const Findings& f) {
  for (const std::string& value : f.values) {
    const auto samples = f.samples.find(value);
    if (samples == f.samples.end()) continue;
    const bool timed = f.reading_of.at(value).timed;
    const std::vector<int64_t>& keys = timed ? axes.rounds : axes.seeds;
    if (keys.empty()) continue;
    std::vector<double> table(axes.arms.size() * keys.size(), NAN);
    for (const auto& [arm, sample] : samples->second)
      for (size_t i = 0; i < sample.keys.size(); ++i) table[place_of(axes.arms, arm) * keys.size() + place_of(keys, sample.keys[i])] = sample.values[i];
    file.write(group + value, numbers({int64_t(axes.arms.size()), int64_t(keys.size())}, table));
    file.set_scales(group + value, {group + "arm", group + (timed ? "round" : "seed")});
    file.set_attribute(group + value, "units", f.units.at(value));
  }
}

// One curve of each run; null where it has none.
using CurveOf = std::function<std::optional<Curve>(const Job&)>;

void write_curves(Hdf5File& file, const std::string& group, const std::string& name, const std::string& axis, const Axes& axes, const StudyPlan& plan,
                  const CurveOf& curve_of) {
  std::vector<std::pair<const Job*, Curve>> curves;
  std::set<int64_t> all_steps;
  for (const Job& job : plan.jobs) {
    if (job.kind != Job::Kind::run) continue;
    auto curve = curve_of(job);
    if (!curve) continue;
    for (const double step : curve->steps) all_steps.insert(int64_t(step));
    curves.emplace_back(&job, std::move(*curve));
  }
  if (all_steps.empty()) return;
  const std::vector<int64_t> steps(all_steps.begin(), all_steps.end());
  std::vector<double> table(axes.arms.size() * axes.seeds.size() * steps.size(), NAN);
  for (const auto& [job, curve] : curves) {
    const size_t row = job->arms[0] * axes.seeds.size() + place_of(axes.seeds, job->seed);
    for (size_t i = 0; i < curve.steps.size(); ++i)
      table[row * steps.size() + size_t(std::lower_bound(steps.begin(), steps.end(), int64_t(curve.steps[i])) - steps.begin())] = curve.values[i];
  }
  write_axis(file, group + axis, steps);
  file.write(group + name, numbers({int64_t(axes.arms.size()), int64_t(axes.seeds.size()), int64_t(steps.size())}, table));
  file.set_scales(group + name, {group + "arm", group + "seed", group + axis});
}

void write_claims(Hdf5File& file, const std::string& group, const StudyPlan& plan, const Findings& f) {
  if (f.verdicts.empty()) return;
  std::vector<std::string> ids, statements, tests, answers;
  std::vector<double> effect, low, high, p, n;
  for (size_t i = 0; i < f.verdicts.size(); ++i) {
    const ClaimConfig& claim = plan.study.claims[i];
    const Verdict& v = f.verdicts[i];
    ids.push_back(claim.id), statements.push_back(claim.statement), tests.push_back(claim.text()), answers.push_back(name(v.answer));
    effect.push_back(v.effect), low.push_back(v.low), high.push_back(v.high), p.push_back(v.p), n.push_back(double(v.n));
  }
  file.write_strings(group + "claim", ids);
  const auto finish = [&](const std::string& name) { file.set_scales(group + name, {group + "claim"}); };
  file.write_strings(group + "statement", statements), finish("statement");
  file.write_strings(group + "test", tests), finish("test");
  file.write_strings(group + "verdict", answers), finish("verdict");
  for (const auto& [name, values] : {std::pair("effect", &effect), std::pair("low", &low), std::pair("high", &high), std::pair("p", &p), std::pair("n", &n)})
    file.write(group + name, numbers({int64_t(values->size())}, *values)), finish(name);
}

// As it stands in a finished run's metrics.
std::optional<Curve> logged(const Job& job, const std::string& runs, const std::string& name) {
  const std::string path = RunFolder(runs + "/" + job.folder).metrics_path();
  std::error_code error;
  if (state_of(job, runs) != JobState::finished || !std::filesystem::exists(path, error)) return std::nullopt;
  const report::RunCurves curves = report::read_curves(path);
  const Curve* found = curves.find(name);
  return found ? std::optional(*found) : std::nullopt;
}

}  // namespace

void write_results_file(const StudySet& set, const std::vector<Findings>& all, const std::string& runs, const std::string& path) {
  DurableFile durable(path);
  Hdf5File file = Hdf5File::create(durable.temporary());
  file.set_attribute("/", "study", set.name);
  file.set_attribute("/", "question", set.question);
  for (size_t i = 0; i < all.size(); ++i) {
    const StudyPlan& plan = set.plans[i];
    const std::string group = "/" + plan.study.name + "/";
    const Axes axes = axes_of(plan, all[i]);
    file.create_group(group.substr(0, group.size() - 1));
    file.write_strings(group + "arm", axes.arms);
    if (!axes.seeds.empty()) write_axis(file, group + "seed", axes.seeds);
    if (!axes.rounds.empty()) write_axis(file, group + "round", axes.rounds);
    write_values(file, group, axes, all[i]);
    for (const char* split : {"eval", "train"})
      write_curves(file, group, std::string(split) + "_loss", std::string(split) + "_step", axes, plan,
                   [&](const Job& job) { return logged(job, runs, std::string(split) + "/loss"); });
    write_claims(file, group, plan, all[i]);
  }
  file.close();
  durable.commit();
}

}  // namespace adder::studies
