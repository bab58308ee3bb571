#include "framework/training/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>

#include "framework/core/error.h"
#include "framework/data/hdf5.h"
#include "framework/training/checkpoint.h"

namespace adder {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "step-", kSuffix = ".h5";

// The step in step-00000250.h5, or -1 for any other name.
int64_t step_of(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return -1;
  name = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  if (name.size() < 8 || name.size() > 18) return -1;
  int64_t step = 0;
  for (const char c : name) {
    if (c < '0' || c > '9') return -1;
    step = step * 10 + (c - '0');
  }
  return step;
}

bool there(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// True where the file is sound; else it is named.
bool sound(const std::string& path, const Warn& warn) {
  try {
    verify_checkpoint(path);
    return true;
  } catch (const UnreadableError& problem) {
    if (warn) warn(std::string(problem.what()) + " (passed over)");
    return false;
  }
}

// None where the file is unreadable.
std::optional<int64_t> stored_step(const std::string& path) {
  try {
    return Hdf5File::open(path).read_int64("/state/step");
  } catch (const UnreadableError&) {
    return std::nullopt;
  }
}

}  // namespace

// ---- names ------------------------------------------------------------------------------------------------

std::string RunFolder::config_path() const { return (fs::path(path_) / "config.json").string(); }
std::string RunFolder::metrics_path() const { return (fs::path(path_) / "metrics.jsonl").string(); }
std::string RunFolder::checkpoint_folder() const { return (fs::path(path_) / "checkpoints").string(); }
std::string RunFolder::best_path() const { return (fs::path(checkpoint_folder()) / "best.h5").string(); }

namespace {
std::string step_name(int64_t step) {
  char name[40];
  std::snprintf(name, sizeof name, "step-%08lld.h5", static_cast<long long>(step));
  return name;
}
}  // namespace

std::string RunFolder::checkpoint_path(int64_t step) const { return (fs::path(checkpoint_folder()) / step_name(step)).string(); }
std::string RunFolder::dump_path(int64_t step) const { return (fs::path(path_) / "dumps" / step_name(step)).string(); }

void RunFolder::create() const {
  std::error_code error;
  fs::create_directories(checkpoint_folder(), error);
  if (error) throw Error("cannot create " + checkpoint_folder() + ": " + error.message());
  if (access(path_.c_str(), W_OK) != 0) throw Error("cannot write in " + path_ + ": " + errno_text());
  if (access(checkpoint_folder().c_str(), W_OK) != 0)
    throw Error("cannot write in " + checkpoint_folder() + ": " + errno_text());
}

bool RunFolder::holds_run() const {
  return there(config_path()) || there(metrics_path()) || there(best_path()) || !checkpoints().empty();
}

std::vector<CheckpointFile> RunFolder::checkpoints() const {
  std::vector<CheckpointFile> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(checkpoint_folder(), error)) {
    const int64_t step = step_of(entry.path().filename().string());
    if (step >= 0) files.push_back({step, entry.path().string()});
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  return files;
}

// ---- writing ----------------------------------------------------------------------------------------------

void RunFolder::write_config(const std::string& json) const { write_durably(config_path(), json); }

int64_t RunFolder::cut_metrics(int64_t step, const Warn& warn) const {
  if (!there(metrics_path())) return 0;
  const std::string text = read_text_file(metrics_path());
  std::string kept;
  int64_t dropped = 0, number = 0;
  for (size_t start = 0; start < text.size();) {
    const size_t end = text.find('\n', start);
    const bool whole = end != std::string::npos;
    const std::string line = text.substr(start, whole ? end - start : end);
    start = whole ? end + 1 : text.size();
    ++number;
    const auto object = nlohmann::json::parse(line, nullptr, false);
    const bool good = object.is_object();
    const bool beyond =
        good && object.contains("step") && object["step"].is_number() && object["step"] > step;
    if (!good && start < text.size() && warn)
      warn(metrics_path() + ": line " + std::to_string(number) + " is no JSON object; it is dropped");
    if (good && !beyond)
      kept += line + "\n";
    else
      ++dropped;
  }
  if (kept != text) write_durably(metrics_path(), kept);
  return dropped;
}

bool RunFolder::has_metric(int64_t step, const std::string& name) const {
  if (!there(metrics_path())) return false;
  std::istringstream text(read_text_file(metrics_path()));
  for (std::string line; std::getline(text, line);) {
    const auto object = nlohmann::json::parse(line, nullptr, false);
    if (object.is_object() && object.value("step", int64_t{-1}) == step && object.contains(name)) return true;
  }
  return false;
}

void RunFolder::mark_best(int64_t step) const {
  const std::string source = checkpoint_path(step), best = best_path();
  std::error_code error;
  if (fs::equivalent(source, best, error)) return;  // one file already, and rename() would do nothing
  const std::string beside = temporary_name(best);
  fs::remove(beside, error);
  if (link(source.c_str(), beside.c_str()) == 0) {
    if (rename(beside.c_str(), best.c_str()) != 0) {
      const std::string why = errno_text();
      unlink(beside.c_str());
      throw Error("cannot write " + best + ": " + why);
    }
    return sync_folder(checkpoint_folder());
  }
  if (errno == ENOENT) throw Error("cannot write " + best + ": there is no " + source);
  write_durably(best, read_text_file(source));  // a file system without hard links
}

void RunFolder::prune(int64_t keep, int64_t newest, int64_t spare) const {
  if (keep <= 0) return;
  const std::vector<CheckpointFile> files = checkpoints();
  int64_t complete = 0;
  bool removed = false;
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    if (file->step > newest) continue;
    if (complete < keep || file->step == newest) {
      complete += looks_complete(file->path);
      continue;
    }
    if (file->step == spare) continue;
    std::error_code error;
    if (!fs::remove(file->path, error) && error)
      throw Error("cannot remove the old checkpoint " + file->path + ": " + error.message());
    removed = true;
  }
  if (removed) sync_folder(checkpoint_folder());
}

void RunFolder::set_aside_after(int64_t step, const Warn& warn) const {
  std::vector<std::string> paths;
  for (const CheckpointFile& file : checkpoints())
    if (file.step > step) paths.push_back(file.path);
  if (there(best_path()) && stored_step(best_path()).value_or(step + 1) > step) paths.push_back(best_path());
  for (const std::string& path : paths) {
    const std::string aside = path + ".damaged";
    if (rename(path.c_str(), aside.c_str()) != 0)
      throw Error("cannot rename " + path + " to " + aside + ": " + errno_text());
    if (warn)
      warn(path + " is set aside as " + fs::path(aside).filename().string() + ": the run goes on from step " +
           std::to_string(step));
  }
  if (!paths.empty()) sync_folder(checkpoint_folder());
}

// ---- finding ----------------------------------------------------------------------------------------------

std::optional<CheckpointFile> find_latest(const std::string& run_folder, const Warn& warn) {
  const RunFolder run(run_folder);
  const std::vector<CheckpointFile> files = run.checkpoints();
  for (auto file = files.rbegin(); file != files.rend(); ++file)
    if (sound(file->path, warn)) return *file;
  if (there(run.best_path()) && sound(run.best_path(), warn))
    return CheckpointFile{Hdf5File::open(run.best_path()).read_int64("/state/step"), run.best_path()};
  return std::nullopt;
}

namespace {

bool holds_checkpoint(const RunFolder& run) { return there(run.best_path()) || !run.checkpoints().empty(); }

[[noreturn]] void fail_empty(const RunFolder& run) {
  std::string hint;
  if (there((fs::path(run.path()) / "model.safetensors").string()))
    hint =
        "; this looks like a folder of Hugging Face: `adder import " + run.path() + " CHECKPOINT` reads it";
  const bool some = holds_checkpoint(run);
  if (some) hint = "; put one of them back from a copy, or train anew in another folder";
  throw UnreadableError(
      run.path() +
      (some ? ": all of its checkpoints are damaged; looked at " : ": holds no checkpoint; looked for ") +
      run.checkpoint_folder() + "/step-*.h5 and best.h5" + hint);
}

}  // namespace

std::optional<CheckpointFile> find_resumable(const std::string& run_folder, const Warn& warn) {
  const auto latest = find_latest(run_folder, warn);
  const RunFolder run(run_folder);
  if (!latest && holds_checkpoint(run)) fail_empty(run);
  return latest;
}

std::string resolve_checkpoint(const std::string& path, bool best, const Warn& warn) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status))
    throw UnreadableError(path +
                          ": no such file or folder; expected the folder of a run or a checkpoint (.h5)");
  if (!fs::is_directory(status)) {
    if (best)
      throw UsageError("--best chooses among the checkpoints of a run folder, but " + path + " is a file");
    return path;
  }
  const RunFolder run(path);
  if (!best) {
    const auto latest = find_latest(path, warn);
    if (!latest) fail_empty(run);
    return latest->path;
  }
  if (!there(run.best_path()))
    throw UnreadableError(
        path + ": holds no best checkpoint; looked for " + run.best_path() +
        " (written where checkpoint.keep_best is on and evaluation ran); leave out --best for the last");
  verify_checkpoint(run.best_path());
  return run.best_path();
}

// ---- lock -------------------------------------------------------------------------------------------------

RunLock::RunLock(const RunFolder& run) {
  const std::string path = (fs::path(run.path()) / "lock").string();
  file_ = Descriptor(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!file_.open()) throw Error("cannot write " + path + ": " + errno_text());
  if (flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      char pid[32] = {};
      const ssize_t length = pread(file_.get(), pid, sizeof pid - 1, 0);
      const std::string who = length > 0 ? std::string(pid, size_t(length)) : "unknown";
      throw Error(run.path() + ": another process (pid " + who.substr(0, who.find('\n')) +
                  ") is writing in this run; wait for it, or choose another folder with --out");
    }
    // A file system without locks: the run goes on unguarded, as it would without this file.
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(file_.get(), 0) != 0 || pwrite(file_.get(), pid.data(), pid.size(), 0) != ssize_t(pid.size()))
    throw Error("cannot write " + path + ": " + errno_text());
  remove_stale_temporaries(run.path(), true);
  remove_stale_temporaries(run.checkpoint_folder(), true);
}

}  // namespace adder
