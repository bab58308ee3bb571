// The folder of a run: config.json, metrics.jsonl, lock, checkpoints/step-00000250.h5,
// checkpoints/best.h5.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "framework/training/durable_file.h"

namespace adder {

using Warn = std::function<void(const std::string&)>;

struct CheckpointFile {
  int64_t step = 0;
  std::string path;
};

class RunFolder {
 public:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }
  std::string config_path() const;
  std::string metrics_path() const;
  std::string checkpoint_folder() const;
  std::string checkpoint_path(int64_t step) const;  // checkpoints/step-00000250.h5
  std::string dump_path(int64_t step) const;        // dumps/step-00000250.h5 (training/guard.h)
  std::string best_path() const;                    // checkpoints/best.h5

  void create() const;     // with checkpoints/; an Error names the path and the reason
  bool holds_run() const;  // a config, metrics or a checkpoint are there
  std::vector<CheckpointFile> checkpoints() const;  // step-*.h5 by step, unchecked

  // Whether metrics.jsonl has a line of that step with that name.
  bool has_metric(int64_t step, const std::string& name) const;
  void write_config(const std::string& json) const;
  // Drops the lines of metrics.jsonl beyond `step` and a last line that was only half written; a line without
  // "step" stays. Returns how many lines went. Damaged lines before the last go too, and are named
  // through warn.
  int64_t cut_metrics(int64_t step, const Warn& warn = nullptr) const;

  // Makes best.h5 another name of that step's checkpoint, in one move: it stays when the step's own file is
  // pruned.
  void mark_best(int64_t step) const;
  // After step `newest` was written: removes all but the newest `keep` checkpoints up to it; incomplete files
  // don't count as kept, and `newest` always stays, and `spare`. 0 or less keeps all. best.h5 is not touched.
  void prune(int64_t keep, int64_t newest, int64_t spare = -1) const;
  // Where a run goes on from `step` because what is newer is damaged: newer step-*.h5 become step-*.h5.damaged,
  // and so does best.h5 if it is newer or unreadable. Each one is named through warn.
  void set_aside_after(int64_t step, const Warn& warn = nullptr) const;

 private:
  std::string path_;
};

// The newest checkpoint whose checksums hold, then best.h5. Damaged ones are named through warn and
// passed over.
std::optional<CheckpointFile> find_latest(const std::string& run_folder, const Warn& warn = nullptr);
// The same for a run that is to go on: none only where the folder holds no checkpoint at all. UnreadableError
// where there are some but all are damaged.
std::optional<CheckpointFile> find_resumable(const std::string& run_folder, const Warn& warn = nullptr);

// A checkpoint from what a person typed: a run folder (its last good checkpoint, or its best one) or a
// checkpoint file. UnreadableError says what was looked for.
std::string resolve_checkpoint(const std::string& path, bool best = false, const Warn& warn = nullptr);

// The right to write in a run folder, for as long as the object lives. An Error says which process has it.
// Taking it removes what a killed writer left behind.
class RunLock {
 public:
  explicit RunLock(const RunFolder& run);

 private:
  Descriptor file_;
};

}  // namespace adder
