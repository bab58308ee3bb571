#include "framework/studies/study_folder.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "framework/core/error.h"
#include "framework/data/hash.h"
#include "framework/studies/results_file.h"
#include "framework/studies/study_page.h"
#include "framework/training/durable_file.h"
#include "framework/training/run_folder.h"

namespace adder::studies {
namespace {

namespace fs = std::filesystem;

std::string study_text(const StudySet& set) {
  JsonValue j = JsonValue::object(), list = JsonValue::array();
  j.set("name", set.name), j.set("question", set.question), j.set("full", set.full);
  for (const StudyPlan& plan : set.plans) list.push(tree_of(plan.study));
  j.set("studies", std::move(list)), j.set("found", set.found);
  return dump(j) + "\n";
}

std::string stored_text(const std::string& folder, const char* name) {
  const std::string path = folder + "/" + name;
  std::error_code error;
  if (!fs::exists(path, error)) throw UnreadableError(path + ": no such file; expected the folder of a study (adder study --out)");
  return read_text_file(path);
}

// Of a stored study; empty where the file is damaged: it is written anew.
std::string name_in(const std::string& stored, const std::string& path) try {
  const JsonValue tree = parse_json(stored, path), *name = tree.find("name");
  return name && name->is(JsonValue::Kind::string) ? name->string : "";
} catch (const UsageError&) {
  return "";
}

std::string results_text(const StudySet& set, const std::vector<Findings>& all) {
  JsonValue j = JsonValue::object(), list = JsonValue::array();
  j.set("name", set.name), j.set("question", set.question);
  for (size_t i = 0; i < all.size(); ++i) list.push(to_json(set.plans[i], all[i]));
  j.set("studies", std::move(list));
  return dump(j) + "\n";
}

std::string hash_of(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error) ? hash_hex(read_text_file(path)) : "absent";
}

// Of what the numbers were made of: each result, metrics and last checkpoint.
std::string hashes_text(const StudySet& set, const std::string& folder) {
  JsonValue j = JsonValue::object();
  j.set("study.json", hash_of(folder + "/study.json"));
  std::set<std::string> seen;
  for (const StudyPlan& plan : set.plans)
    for (const Job& job : plan.jobs) {
      const std::string path = runs_folder(folder) + "/" + job.folder;
      if (!seen.insert(job.folder).second || state_of(job, runs_folder(folder)) != JobState::finished) continue;
      JsonValue files = JsonValue::object();
      files.set("job", plan.study.name + ": " + job.name);
      files.set("result.json", hash_of(path + "/result.json"));
      if (job.trains()) {
        files.set("metrics.jsonl", hash_of(path + "/metrics.jsonl"));
        const auto checkpoints = RunFolder(path).checkpoints();
        if (!checkpoints.empty()) files.set("checkpoint", hash_of(checkpoints.back().path));
      }
      j.set(job.folder, std::move(files));
    }
  for (const StudyPlan& plan : set.plans)
    for (const Job& job : plan.jobs)
      for (const Rereading& r : job.rereadings) {
        const std::string file = job.folder + "/" + r.file;
        if (state_of(job, runs_folder(folder)) == JobState::finished) j.set(file, hash_of(runs_folder(folder) + "/" + file));
      }
  return dump(j) + "\n";
}

std::vector<Findings> findings_of(const StudySet& set, const std::string& folder) {
  std::vector<Findings> all;
  for (const StudyPlan& plan : set.plans) all.push_back(findings_of(plan, runs_folder(folder)));
  return all;
}

// What results.h5 would hold, by a file elsewhere: the folder may not be ours to write in.
std::string results_file_text(const StudySet& set, const std::vector<Findings>& all, const std::string& folder) {
  const std::string path = fs::temp_directory_path().string() + "/adder-verify-" + std::to_string(getpid()) + ".h5";
  write_results_file(set, all, runs_folder(folder), path);
  const std::string text = read_text_file(path);
  fs::remove(path);
  return text;
}

void compare_hashes(const std::string& stored, const std::string& now, std::vector<std::string>& problems) {
  const JsonValue before = parse_json(stored, "hashes.json"), after = parse_json(now, "hashes.json");
  const auto text = [](const JsonValue* v) { return !v ? std::string("absent") : v->is(JsonValue::Kind::string) ? v->string : dump(*v, -1); };
  for (const JsonValue& job : before.items) {
    const JsonValue* other = after.find(job.key);
    if (!job.is(JsonValue::Kind::object)) {
      if (text(other) != text(&job)) problems.push_back(job.key + " has changed: hash " + text(other) + ", recorded " + text(&job));
      continue;
    }
    for (const JsonValue& file : job.items) {
      const std::string found = text(other ? other->find(file.key) : nullptr);
      if (found != text(&file))
        problems.push_back("runs/" + job.key + "/" + file.key + " (" + text(job.find("job")) + ") has changed: hash " + found + ", recorded " + text(&file));
    }
  }
  for (const JsonValue& job : after.items)
    if (!before.find(job.key)) problems.push_back("runs/" + job.key + " (" + text(job.find("job")) + ") is not among the recorded hashes");
}

}  // namespace

StudySet load_set(const std::string& path, bool full, const Surroundings& around, std::string folder) {
  StudySet set;
  const StudyConfig first = load_study(path, full);
  set.name = first.name, set.question = first.question, set.full = full;
  set.folder = folder.empty() ? "studies/" + set.name : folder;
  std::vector<StudyConfig> studies;
  std::set<std::string> names;
  for (const std::string& file : first.studies) studies.push_back(load_study((fs::path(path).parent_path() / file).lexically_normal().string(), full));
  if (studies.empty()) studies.push_back(first);
  for (const StudyConfig& study : studies) {
    if (!study.studies.empty()) throw UsageError(path + ": studies: " + study.source + " is a set itself; name its studies one by one");
    if (!names.insert(study.name).second) throw UsageError(path + ": studies: two are named " + study.name);
    set.plans.push_back(plan_of(study, around, runs_folder(set.folder)));
  }
  set.found = around.found();
  return set;
}

StudySet stored_set(const std::string& folder, const ModelFactory& factory) {
  const JsonValue stored = parse_json(stored_text(folder, "study.json"), folder + "/study.json");
  const JsonValue *studies = stored.find("studies"), *found = stored.find("found"), *full = stored.find("full");
  if (!studies || !found || !full) throw UnreadableError(folder + "/study.json: is no study that this program wrote");
  StudySet set;
  set.name = stored.find("name")->string, set.question = stored.find("question")->string;
  set.found = *found, set.full = full->boolean;
  const Surroundings around(factory, *found);
  for (const JsonValue& study : studies->items) {
    StudyConfig config = read_study(study, folder + "/study.json", false);
    config.is_full = set.full, config.name = study.find("name")->string;
    set.plans.push_back(plan_of(config, around, runs_folder(folder)));
  }
  return set;
}

std::string runs_folder(const std::string& folder) { return folder + "/runs"; }

void write_study(const StudySet& set, const std::string& folder) {
  const std::string path = folder + "/study.json", text = study_text(set);
  std::error_code error;
  if (fs::exists(path, error)) {
    const std::string stored = read_text_file(path);
    if (stored == text) return;
    const std::string other = name_in(stored, path);
    if (!other.empty() && other != set.name)
      throw UsageError(folder + " holds the study \"" + other + "\", expected \"" + set.name + "\" or a new folder; choose another --out");
  }
  fs::create_directories(runs_folder(folder), error);
  if (error) throw Error("cannot create " + folder + ": " + error.message() + "; choose another --out");
  write_durably(path, text);
}

std::vector<Findings> write_report(const StudySet& set, const std::string& folder) {
  const std::vector<Findings> all = findings_of(set, folder);
  std::vector<StudyPlan> plans = set.plans;
  write_durably(folder + "/results.json", results_text(set, all));
  write_durably(folder + "/results.csv", to_csv(plans, all));
  write_results_file(set, all, runs_folder(folder), folder + "/results.h5");
  write_durably(folder + "/report.html", study_page(set, all).html());
  write_durably(folder + "/hashes.json", hashes_text(set, folder));
  return all;
}

std::vector<std::string> verify(const std::string& folder, const ModelFactory& factory) {
  const StudySet set = stored_set(folder, factory);
  std::vector<std::string> problems;
  compare_hashes(stored_text(folder, "hashes.json"), hashes_text(set, folder), problems);
  const std::vector<Findings> all = findings_of(set, folder);
  for (size_t i = 0; i < all.size(); ++i)
    if (all[i].missing > 0)
      problems.push_back(set.plans[i].study.name + ": " + std::to_string(all[i].missing) + " of its " +
                         std::to_string(set.plans[i].jobs.size()) + " runs and measurements have not ended; adder study goes on with them");
  const auto compare = [&](const char* name, const std::string& now) {
    if (stored_text(folder, name) != now) problems.push_back(std::string(name) + " is not what the raw metrics give");
  };
  compare("results.json", results_text(set, all));
  compare("results.csv", to_csv(set.plans, all));
  compare("report.html", study_page(set, all).html());
  compare("results.h5", results_file_text(set, all, folder));
  return problems;
}

}  // namespace adder::studies
