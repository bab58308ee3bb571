#include "framework/cli/study_processes.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "framework/cli/output.h"
#include "framework/cli/study_progress.h"
#include "framework/core/error.h"
#include "framework/training/durable_file.h"
#include "kernels/parallel.h"

namespace adder {
namespace {

using namespace studies;

pid_t start(const StudyJob& w, const ProcessOptions& o, int threads) {
  std::vector<std::string> words = {"adder", "study", o.file, "--out", o.folder, "--run", w.job.folder, "--quiet", "--threads", std::to_string(threads)};
  if (o.full) words.push_back("--full");
  std::vector<char*> raw;
  for (std::string& word : words) raw.push_back(word.data());
  raw.push_back(nullptr);
  const pid_t parent = getpid(), child = fork();
  if (child < 0) throw Error("no process can be started: " + errno_text());
  if (child == 0) {
    setpgid(0, 0);  // a Ctrl-C reaches it once, through its parent
    prctl(PR_SET_PDEATHSIG, SIGTERM);  // it saves and ends where its parent was killed
    if (getppid() != parent) _exit(kTerminated);
    execv("/proc/self/exe", raw.data());
    _exit(kFailure);
  }
  return child;
}

class Pool {
 public:
  Pool(const ProcessOptions& options, StudyProgress& progress, const std::string& runs) : options_(options), progress_(progress), runs_(runs) {}

  void run(const std::vector<StudyJob>& work, int at_once, const std::function<bool()>& stop) {
    const int share = std::max(1, kernels::threads() / options_.jobs), all = std::max(1, kernels::threads() / at_once);
    for (const StudyJob& w : work) {
      while (int(running_.size()) >= at_once && !stop()) wait();
      if (stop()) break;
      if (state_of(w.job, runs_) == JobState::finished) progress_.end(w.job, "finished before");
      else running_[start(w, options_, w.job.kind == Job::Kind::calibration ? share : all)] = w.job;  // as its runs will have
    }
    bool told = false;
    while (!running_.empty()) {
      if (stop() && !told) {
        for (const auto& [child, job] : running_) kill(child, SIGTERM);
        told = true;
      }
      wait();
    }
  }
  int code() const { return code_; }

 private:
  // Until one has ended, or a moment has passed.
  void wait() {
    for (const auto& [child, job] : running_) {
      int status = 0;
      if (waitpid(child, &status, WNOHANG) != child) continue;
      const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      if (code != kOk && code_ == kOk) code_ = code;
      const bool finished = state_of(job, runs_) == JobState::finished;
      progress_.end(job, finished ? "done" : code == kOk ? "another process is at it" : code == kTerminated ? "stopped" : "exit code " + std::to_string(code));
      running_.erase(child);
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }

  const ProcessOptions& options_;
  StudyProgress& progress_;
  const std::string& runs_;
  std::map<pid_t, Job> running_;
  int code_ = kOk;
};

}  // namespace

int run_in_processes(const std::vector<StudyJob>& work, const ProcessOptions& options, const std::string& runs, const std::function<bool()>& stop) {
  std::vector<Job> jobs;
  std::vector<StudyJob> together, alone;
  for (const StudyJob& w : work) jobs.push_back(w.job), (w.job.timed() ? alone : together).push_back(w);
  StudyProgress progress(jobs, options.quiet);
  Pool pool(options, progress, runs);
  pool.run(together, options.jobs, stop);
  if (!stop()) pool.run(alone, 1, stop);
  return pool.code();
}

}  // namespace adder
