// adder study: a comparison of architectures, from its config to its report.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "framework/cli/command.h"
#include "framework/cli/compute_options.h"
#include "framework/cli/interruption.h"
#include "framework/cli/output.h"
#include "framework/cli/planned_config.h"
#include "framework/cli/run_data.h"
#include "framework/cli/study_jobs.h"
#include "framework/cli/study_processes.h"
#include "framework/core/error.h"
#include "framework/studies/study_folder.h"
#include "framework/studies/study_page.h"
#include "framework/training/durable_file.h"

namespace adder {
namespace {

using namespace studies;

struct StudyOptions {
  std::string file, out, only, verify;
  std::string run;  // a number of --list, or a folder
  int jobs = 1;
  bool full = false, list = false, quiet = false, json = false;
  ComputeOptions compute;
};

// What the data of a run hash to, before it is run; a task's examples follow from its config.
std::string hash_of_data(const Config& config) {
  if (config.data.task.given()) return "task";
  if (!config.data.batches.empty()) return data_hash(FileBatches(config.data.batches, 1 << 24, config.training.accumulate), config.training.accumulate);
  return data_hash(load_text(config, config.training.context_length).data);
}

// Of the split that add_loss() (study_run.cpp) scores.
int64_t tokens_of(const Config& config) {
  const TokenDataset data = load_text(config, config.training.context_length).data;
  return data.test.size() >= 2 ? data.test.size() : data.validation.size();
}

void print_list(const std::vector<StudyJob>& work, const std::string& runs) {
  std::vector<std::vector<std::string>> rows;
  for (const StudyJob& w : work) rows.push_back({std::to_string(w.number), w.study().name, w.job.name, w.job.folder, name(state_of(w.job, runs))});
  print(table({"K", "study", "run", "folder", "state"}, rows, 4));
}

void print_arms(const StudySet& set) {
  for (const StudyPlan& plan : set.plans)
    for (const Arm& arm : plan.arms)
      if (!arm.note.empty()) note(plan.study.name + ": " + arm.name + ": " + arm.note + " (" + with_commas(arm.parameters) + " parameters outside embedding and head)");
}

// Before any verdict: differences below it mean nothing.
void print_noise(const StudySet& set, const std::vector<Findings>& all) {
  std::vector<std::vector<std::string>> rows;
  for (size_t p = 0; p < all.size(); ++p) {
    const auto claimed = [&](const NoiseFloor& floor) {
      const auto& claims = set.plans[p].study.claims;
      return std::any_of(claims.begin(), claims.end(), [&](const ClaimConfig& c) { return c.measure == floor.value; });
    };
    for (const NoiseFloor& floor : noise_floors(set.plans[p], all[p])) {
      if (!claimed(floor)) continue;
      std::string deviations;
      for (const auto& [arm, deviation] : floor.deviations) deviations += (deviations.empty() ? "" : ", ") + arm + " " + shown_number(deviation);
      rows.push_back({floor.value, deviations, std::to_string(floor.seeds), shown_number(floor.detectable)});
    }
  }
  if (!rows.empty()) print(table({"noise floor", "standard deviation over seeds", "n", "found 8 times of 10"}, rows, 2) + "\n");
}

void print_verdicts(const StudySet& set, const std::vector<Findings>& all, const std::string& folder) {
  std::vector<std::vector<std::string>> rows;
  for (size_t p = 0; p < all.size(); ++p)
    for (size_t i = 0; i < all[p].verdicts.size(); ++i) {
      const Verdict& v = all[p].verdicts[i];
      rows.push_back({set.plans[p].study.claims[i].id, name(v.answer), shown_effect(v), set.plans[p].study.claims[i].text(), std::to_string(v.n), v.why});
    }
  if (!rows.empty()) print(table({"claim", "verdict", "effect", "tested as", "n", "remarks"}, rows, 4));
  print(folder + "/report.html\n");
}

int verify_command(const StudyOptions& o, const ModelFactory& factory) {
  const std::vector<std::string> problems = verify(o.verify, factory);
  for (const std::string& problem : problems) note(problem);
  print(o.verify + (problems.empty() ? ": every number and verdict follows from the raw metrics, and no file has changed\n"
                                     : ": " + std::to_string(problems.size()) + (problems.size() == 1 ? " thing does not hold\n" : " things do not hold\n")));
  return problems.empty() ? kOk : kCheckFailed;
}

// What comes before the runs.
std::string first_of(Stage stage) { return stage == Stage::calibrating ? "the calibration" : "the sweep"; }

// Those of its runs that are asked for.
std::vector<StudyJob> chosen(const StudyOptions& o, const StudySet& set) {
  std::vector<StudyJob> work = work_of(set);
  const size_t all = work.size();
  if (!o.run.empty()) {
    std::erase_if(work, [&](const StudyJob& w) { return o.run != std::to_string(w.number) && o.run != w.job.folder; });
    if (work.empty())
      throw UsageError("--run is " + o.run + ", expected 1 to " + std::to_string(all) + " or a folder (--list shows them)" +
                       (set.stage() == Stage::running ? "" : "; the runs that follow from " + first_of(set.stage()) + " come when that is done"));
  }
  std::erase_if(work, [&](const StudyJob& w) { return (w.study().name + ": " + w.job.name).find(o.only) == std::string::npos; });
  if (work.empty()) throw UsageError("--only " + shell_quoted(o.only) + ": no run has that in its name (--list shows them)");
  return work;
}

int run_some(const StudyOptions& o, const StudySet& set, const ModelFactory& factory, const std::function<bool()>& stop) {
  const std::vector<StudyJob> work = chosen(o, set);
  const std::string runs = runs_folder(set.folder);
  return o.jobs > 1 ? run_in_processes(work, {o.file, set.folder, o.full, o.jobs, o.quiet}, runs, stop) : run_here(work, factory, runs, o.quiet, stop);
}

int report_of(const StudyOptions& o, const StudySet& set) {
  const std::vector<Findings> all = write_report(set, set.folder);
  int64_t missing = 0;
  for (const Findings& f : all) missing += f.missing;
  if (missing) warn(std::to_string(missing) + " runs are missing, other processes may be at them; the report is of the rest. Run the command again when they are done");
  if (o.json) print(read_text_file(set.folder + "/results.json"));
  else print_noise(set, all), print_verdicts(set, all, set.folder);
  return kOk;
}

int study_command(const StudyOptions& o, const ModelFactory& factory) {
  o.compute.apply();
  if (!o.verify.empty()) return verify_command(o, factory);
  if (o.file.empty()) throw UsageError("the study's file is missing; give one, such as configs/claims/all.json, or --verify DIR");
  if (o.jobs < 1) throw UsageError("--jobs is " + std::to_string(o.jobs) + ", expected at least 1");
  const Surroundings around(factory, vocabulary_of, hash_of_data, tokens_of);
  StudySet set = load_set(o.file, o.full, around, o.out);
  if (o.list) {
    print_list(work_of(set), runs_folder(set.folder));
    if (set.stage() != Stage::running) note("the runs that follow from " + first_of(set.stage()) + " are listed when that is done");
    return kOk;
  }
  chosen(o, set);  // a wrong --run or --only is refused here, before anything is written
  write_study(set, set.folder);
  if (!o.quiet) print_arms(set);
  const Interruption interruption(true);
  const auto stop = [&] { return interruption.requested(); };
  int code = run_some(o, set, factory, stop);
  while (code == kOk && !stop() && set.stage() != Stage::running && o.run.empty() && o.only.empty()) {
    const Stage before = set.stage();
    set = load_set(o.file, o.full, around, o.out);
    if (set.stage() == before)
      throw Error(first_of(before) + " is not done, other processes may be at it; run the command again when they are done");
    write_study(set, set.folder);
    if (!o.quiet) print_arms(set);
    code = run_some(o, set, factory, stop);
  }
  if (stop()) {
    note("stopped; what is done is saved. To go on:\n  adder study " + shell_quoted(o.file) + " --out " + shell_quoted(set.folder) + (o.full ? " --full" : ""));
    return interruption.exit_code();
  }
  return code != kOk || !o.run.empty() || !o.only.empty() ? code : report_of(o, set);
}

}  // namespace

Action declare_study(CLI::App& app) {
  auto options = std::make_shared<StudyOptions>();
  app.add_option("STUDY", options->file, "the study's file, or that of a set of studies, such as configs/claims/all.json")->type_name("FILE");
  app.add_option("--out", options->out, "the study's folder; default: studies/<name>")->type_name("DIR");
  app.add_flag("--full", options->full, "the full form, as the file says; default: the small one");
  app.add_flag("--list", options->list, "number, name and state of each run; runs nothing");
  app.add_option("--run", options->run, "this one of --list alone, as in a Slurm array; no report. Numbers move when a sweep or a calibration is done, "
                                        "folders never")
      ->type_name("K|FOLDER");
  app.add_option("--only", options->only, "only runs with this text in their name; no report")->type_name("TEXT");
  app.add_option("--jobs", options->jobs, "runs side by side; what is timed runs alone")->type_name("N")->capture_default_str();
  app.add_option("--verify", options->verify, "recompute a finished study from its raw metrics; exit 5 where anything differs or is missing")->type_name("DIR");
  app.add_flag("--quiet", options->quiet, "no progress, only warnings and the result");
  app.add_flag("--json", options->json, "the results as one JSON document");
  declare_compute(app, options->compute);
  app.footer("A run that is finished is never made again, one that broke off goes on, to the same bits. Ctrl-C saves and exits with 130.\n"
             "Example: adder study configs/claims/all.json");
  return [options](const ModelFactory& factory) { return study_command(*options, factory); };
}

}  // namespace adder
