#include "framework/cli/study_jobs.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "framework/cli/output.h"
#include "framework/cli/study_progress.h"
#include "framework/cli/study_run.h"
#include "framework/core/error.h"
#include "framework/training/durable_file.h"

namespace adder {
namespace {

using namespace studies;

std::optional<JsonValue> result_of(const StudyJob& w, const ModelFactory& factory, const std::string& runs, StudyProgress& progress,
                                   const std::function<bool()>& stop) {
  if (!w.job.trains()) return measured(w.job, w.study(), w.plan->arms, factory, stop);
  const Config config = config_of(w.job, w.study(), w.plan->arms, factory);
  const double steps = double(config.training.steps);
  return study_run(config, runs + "/" + w.job.folder, factory, stop, [&](const StepReport& r) { progress.at(double(r.step) / steps); });
}

// Those measures of it that read its checkpoint; false where `stop` broke off.
bool reread(const StudyJob& w, const ModelFactory& factory, const std::string& runs, const std::function<bool()>& stop) {
  for (const Rereading& r : missing_rereadings(w.job, runs)) {
    const bool failed = read_result(w.job, runs).find("failed");
    const auto found = failed ? Reread() : study_rereading(*w.study().measures[r.measure].measure, runs + "/" + w.job.folder, factory, stop);
    if (!found) return false;
    write_rereading(w.job, r, runs, *found);
  }
  return true;
}

// Whether another process holds the run's lock.
bool is_taken(const std::string& folder) {
  const Descriptor file(open((folder + "/lock").c_str(), O_RDWR | O_CLOEXEC));
  return file.open() && flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

// What became of it, in a word.
std::string make(const StudyJob& w, const ModelFactory& factory, const std::string& runs, StudyProgress& progress, const std::function<bool()>& stop) {
  if (state_of(w.job, runs) == JobState::finished) return "finished before";
  const RunFolder folder(runs + "/" + w.job.folder);
  folder.create();
  try {
    const RunLock lock(folder);
    if (state_of(w.job, runs) == JobState::finished) return "finished elsewhere";
    if (!has_result(w.job, runs)) {
      const auto result = result_of(w, factory, runs, progress, stop);
      if (!result) return "stopped";
      write_result(w.job, runs, *result);
    }
    if (!reread(w, factory, runs, stop)) return "stopped";
    const JsonValue result = read_result(w.job, runs);
    const JsonValue* failed = result.find("failed");
    return failed ? "FAILED: " + failed->string : "done";
  } catch (const Error&) {
    if (!is_taken(folder.path())) throw;
    return "another process is at it";
  }
}

// Runs of one folder are one, unless they are reread in different ways.
std::string key_of(const Job& job) {
  std::string key = job.folder;
  for (const Rereading& r : job.rereadings) key += " " + r.file;
  return key;
}

}  // namespace

std::vector<StudyJob> work_of(const StudySet& set) {
  std::vector<StudyJob> work;
  std::set<std::string> seen;
  const auto turn = [](const Job& job) {
    if (job.kind == Job::Kind::calibration) return 0;
    return job.kind == Job::Kind::sweep ? 1 : job.timed() ? 3 : 2;
  };
  for (const int now : {0, 1, 2, 3})
    for (const StudyPlan& plan : set.plans)
      for (const Job& job : plan.jobs)
        if (turn(job) == now && seen.insert(key_of(job)).second) work.push_back({int64_t(work.size()) + 1, &plan, job});
  return work;
}

int run_here(const std::vector<StudyJob>& work, const ModelFactory& factory, const std::string& runs, bool quiet, const std::function<bool()>& stop) {
  std::vector<Job> jobs;
  for (const StudyJob& w : work) jobs.push_back(w.job);
  StudyProgress progress(jobs, quiet);
  for (const StudyJob& w : work) {
    progress.begin(w.job);
    const std::string how = make(w, factory, runs, progress, stop);
    progress.end(w.job, how);
    if (stop()) break;
  }
  return kOk;
}

}  // namespace adder
