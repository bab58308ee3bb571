#include "framework/studies/job.h"

#include <algorithm>
#include <filesystem>

#include "framework/core/error.h"
#include "framework/data/hash.h"
#include "framework/studies/calibration.h"
#include "framework/studies/measures/pace.h"
#include "framework/training/durable_file.h"
#include "kernels/parallel.h"

namespace adder::studies {
namespace {

namespace fs = std::filesystem;

// What of a config decides a run's numbers.
std::string deciding(const Config& config) {
  JsonValue tree = parse_json(to_json(config), "config");
  for (const char* key : {"name", "device", "logging", "checkpoint"}) tree.erase(key);
  return dump(tree, -1);
}

std::string hash_of(const std::string& text) { return hash_hex(text + "\nnumerics " + std::to_string(kNumerics)); }

std::string result_path(const Job& job, const std::string& runs) { return runs + "/" + job.folder + "/result.json"; }
std::string path_of(const Rereading& r, const Job& job, const std::string& runs) { return runs + "/" + job.folder + "/" + r.file; }

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::string options_of(const MeasureConfig& m) {
  MeasureConfig copy = m;
  return dump(write_fields(copy), -1);
}

std::vector<Rereading> rereadings_of(const StudyConfig& study) {
  std::vector<Rereading> list;
  for (size_t m = 0; m < study.measures.size(); ++m)
    if (study.measures[m].measure->when() == When::reread)
      list.push_back({m, study.measures[m].name + "-" + hash_of(options_of(study.measures[m])) + ".json"});
  return list;
}

// Its folder and weight, from its config.
void settle(Job& job, const StudyConfig& study, const std::vector<Arm>& arms, const Surroundings& around) {
  const Config config = config_of(job, study, arms, around.factory);
  job.folder = hash_of(deciding(config) + around.data_hash(config));
  const TrainingConfig& t = config.training;
  job.weight = 0.1 + 6 * double(t.steps * t.tokens_a_step()) * double(arms[job.arms[0]].parameters) / 2e10;
}

void add_runs(const StudyConfig& study, const std::vector<Arm>& arms, const Surroundings& around, std::vector<Job>& jobs) {
  // One arm with all its seeds: the noise floor comes first. Then seed by seed, so that a part of the runs compares the arms.
  const auto noise = std::find_if(arms.begin(), arms.end(), [](const Arm& a) { return !a.counts; }) - arms.begin();
  std::vector<std::pair<size_t, int64_t>> order;
  for (const bool first : {true, false})
    for (const int64_t seed : study.seeds)
      for (size_t a = 0; a < arms.size(); ++a)
        if ((std::ptrdiff_t(a) == noise) == first) order.emplace_back(a, seed);
  for (const auto& [a, seed] : order) {
    Job job{Job::Kind::run, arms[a].name + ", seed " + std::to_string(seed), "", {a}, seed};
    job.rereadings = rereadings_of(study);
    settle(job, study, arms, around);
    jobs.push_back(std::move(job));
  }
}

// Parsed; UnreadableError where it is damaged.
JsonValue read_json(const std::string& path) {
  try {
    return parse_json(read_text_file(path), path);
  } catch (const UsageError& problem) {
    throw UnreadableError(problem.what());
  }
}

// What of its arms a timing depends on.
std::string text_of(const Job& job, const std::vector<Arm>& arms) {
  std::string text;
  for (const size_t a : job.arms) text += "\n" + arms[a].name + deciding(arms[a].config) + std::to_string(arms[a].vocabulary);
  return text;
}

// How often a job that does not train reads each of its arms, and what.
struct Reader {
  int64_t rounds;
  std::function<Values(const Subject&)> read;
};
Reader reader_of(const Job& job, const StudyConfig& study) {
  if (job.kind == Job::Kind::calibration)
    return {kCalibrationRounds, [](const Subject& s) { return Values{{"pace", pace(s, kCalibrationSeconds)}}; }};
  const Measure& measure = *study.measures[job.measure].measure;
  return {measure.rounds(), [&measure](const Subject& s) { return measure.of_model(s); }};
}

}  // namespace

Job calibration_of(const StudyConfig& study, const std::vector<Arm>& arms) {
  Job job{Job::Kind::calibration, "calibration: tokens/s of all arms in turn", "", {}, study.seeds[0]};
  for (size_t a = 0; a < arms.size(); ++a)
    if (!arms[a].counts) job.arms.push_back(a);
  job.weight = double(kCalibrationRounds) * 2 * kCalibrationSeconds * double(job.arms.size());
  job.folder = hash_of("calibration " + std::to_string(kCalibrationRounds) + " " + std::to_string(kCalibrationSeconds) + text_of(job, arms));
  return job;
}

std::vector<Job> sweep_of(const StudyConfig& study, const std::vector<Arm>& arms, const Surroundings& around) {
  std::vector<Job> jobs;
  for (const double value : study.sweep.values)
    for (const int64_t seed : study.sweep.seeds)
      for (size_t a = 0; a < arms.size(); ++a) {
        if (arms[a].counts) continue;
        Job job{Job::Kind::sweep, arms[a].name + ", " + study.sweep.key + " " + dump(JsonValue(value)) + ", seed " + std::to_string(seed), "", {a}, seed};
        job.value = value;
        settle(job, study, arms, around);
        jobs.push_back(std::move(job));
      }
  return jobs;
}

std::vector<Job> jobs_of(const StudyConfig& study, const std::vector<Arm>& arms, const Surroundings& around) {
  std::vector<Job> jobs;
  const auto any = [&](When when) {
    return std::any_of(study.measures.begin(), study.measures.end(), [&](const MeasureConfig& m) { return m.measure->when() == when; });
  };
  if (any(When::trained) || any(When::reread)) add_runs(study, arms, around, jobs);
  for (size_t m = 0; m < study.measures.size(); ++m) {
    const MeasureConfig& measure = study.measures[m];
    if (measure.measure->when() != When::untrained) continue;
    for (const int64_t seed : study.seeds)
      for (size_t a = 0; a < arms.size(); ++a) {
        Job job{Job::Kind::measurement, measure.name + " of " + arms[a].name + ", seed " + std::to_string(seed), "", {a}, seed, m, 0.5};
        job.folder = hash_of(options_of(measure) + deciding(arms[a].with_seed(seed, around.factory)) + std::to_string(arms[a].vocabulary));
        jobs.push_back(std::move(job));
      }
  }
  for (size_t m = 0; m < study.measures.size(); ++m) {
    const MeasureConfig& measure = study.measures[m];
    if (measure.measure->when() != When::timed && !measure.measure->paced()) continue;
    Job job{Job::Kind::timing, measure.name + " of all arms in turn", "", {}, study.seeds[0], m, double(measure.measure->rounds()) * 0.5 * double(arms.size())};
    for (size_t a = 0; a < arms.size(); ++a) job.arms.push_back(a);
    job.folder = hash_of(options_of(measure) + text_of(job, arms));
    jobs.push_back(std::move(job));
  }
  return jobs;
}

Config config_of(const Job& job, const StudyConfig& study, const std::vector<Arm>& arms, const ModelFactory& factory) {
  const Arm& arm = arms[job.arms[0]];
  return (job.kind == Job::Kind::sweep ? arm.with_key(study.sweep.key, JsonValue(job.value)) : arm).with_seed(job.seed, factory);
}

std::string name(JobState state) {
  return state == JobState::finished ? "finished" : state == JobState::begun ? "begun" : "waiting";
}

bool has_result(const Job& job, const std::string& runs) { return exists(result_path(job, runs)); }

std::vector<Rereading> missing_rereadings(const Job& job, const std::string& runs) {
  std::vector<Rereading> list = job.rereadings;
  std::erase_if(list, [&](const Rereading& r) { return exists(path_of(r, job, runs)); });
  return list;
}

JobState state_of(const Job& job, const std::string& runs) {
  if (has_result(job, runs) && missing_rereadings(job, runs).empty()) return JobState::finished;
  return exists(runs + "/" + job.folder) ? JobState::begun : JobState::waiting;
}

JsonValue read_result(const Job& job, const std::string& runs) {
  const std::string path = result_path(job, runs);
  JsonValue result = read_json(path);
  const JsonValue* folder = result.find("hash");
  if (!folder || folder->string != job.folder)
    throw UnreadableError(path + ": is not the result of " + job.name + " (hash " + job.folder + "); remove the folder, and it is made again");
  return result;
}

void write_result(const Job& job, const std::string& runs, JsonValue result) {
  JsonValue named = JsonValue::object();
  named.set("job", job.name);
  named.set("hash", job.folder);
  for (const JsonValue& item : result.items) named.set(item.key, item);
  write_durably(result_path(job, runs), dump(named) + "\n");
}

void write_rereading(const Job& job, const Rereading& reading, const std::string& runs, const Reread& found) {
  JsonValue j = JsonValue::object(), values = JsonValue::object(), windows = JsonValue::object();
  for (const auto& [name, value] : found.values) values.set(name, value);
  for (const auto& [name, list] : found.windows) windows.set(name, JsonValue::array(list));
  j.set("job", job.name), j.set("hash", job.folder), j.set("values", std::move(values)), j.set("windows", std::move(windows));
  write_durably(path_of(reading, job, runs), dump(j) + "\n");
}

Reread read_rereading(const Job& job, const Rereading& reading, const std::string& runs) {
  const std::string path = path_of(reading, job, runs);
  const JsonValue j = read_json(path), *values = j.find("values"), *windows = j.find("windows");
  if (!values || !windows) throw UnreadableError(path + ": has no values and windows; remove the file, and it is made again");
  Reread result;
  for (const JsonValue& item : values->items) result.values.emplace_back(item.key, number_of(item));
  for (const JsonValue& item : windows->items)
    for (const JsonValue& x : item.items) result.windows[item.key].push_back(number_of(x));
  return result;
}

std::optional<JsonValue> measured(const Job& job, const StudyConfig& study, const std::vector<Arm>& arms, const ModelFactory& factory,
                                 const std::function<bool()>& stop) {
  const Reader reader = reader_of(job, study);
  std::vector<std::vector<Values>> values(job.arms.size());
  for (int64_t round = 0; round < reader.rounds; ++round)
    for (size_t i = 0; i < job.arms.size(); ++i) {
      if (stop()) return std::nullopt;
      const Arm& arm = arms[job.arms[i]];
      const Config config = job.timed() ? arm.config : arm.with_seed(job.seed, factory);
      values[i].push_back(reader.read({config, arm.vocabulary, factory}));
    }
  JsonValue result = JsonValue::object(), by_arm = JsonValue::object();
  if (job.timed()) result.set("threads", int64_t(kernels::threads()));
  for (size_t i = 0; i < job.arms.size(); ++i) {
    JsonValue table = JsonValue::object();
    for (size_t v = 0; v < values[i][0].size(); ++v) {
      JsonValue list = JsonValue::array();
      for (const Values& round : values[i]) list.push(round[v].second);
      table.set(values[i][0][v].first, std::move(list));
    }
    by_arm.set(arms[job.arms[i]].name, std::move(table));
  }
  result.set("arms", std::move(by_arm));
  return result;
}

}  // namespace adder::studies
