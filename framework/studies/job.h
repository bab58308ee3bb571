// What a study runs: a training run an arm and seed, a measurement an arm and seed, or a timing of all arms in turn. Each has a
// folder below runs/ whose name is the hash of what decides its numbers: the resolved config, the content of its data, and
// kNumerics. Its result.json is written last, whole; a folder without one is unfinished.
#pragma once
#include <optional>

#include "framework/studies/arms.h"

namespace adder::studies {

// Changes where the numbers of a run change: results of another value are not reused.
inline constexpr int kNumerics = 1;

// A measure that reads a run's last checkpoint again. What it gave lies beside the run's result.
struct Rereading {
  size_t measure;    // which of the study's
  std::string file;  // positions-<hash of its options>.json
};

struct Job {
  enum class Kind { calibration, sweep, run, measurement, timing };
  Kind kind = Kind::run;
  std::string name;            // "mamba, seed 3"
  std::string folder;          // its hash
  std::vector<size_t> arms;    // one, or all of what is timed
  int64_t seed = 0;
  size_t measure = 0;          // which of the study's; of a run and a calibration: none
  double value = 0;            // of a sweep: what its key is set to
  double weight = 1;           // seconds, to an order of magnitude: for the ETA
  std::vector<Rereading> rereadings = {};  // of a run, once it is done

  bool timed() const { return kind == Kind::timing || kind == Kind::calibration; }
  bool trains() const { return kind == Kind::sweep || kind == Kind::run; }
};

// The timing of the training step of every arm that is trained (calibration.h).
Job calibration_of(const StudyConfig& study, const std::vector<Arm>& arms);
// The trials of a study's sweep: every arm, value and seed of it.
std::vector<Job> sweep_of(const StudyConfig& study, const std::vector<Arm>& arms, const Surroundings& around);
// All others, in the order of --list: runs, measurements, timings.
std::vector<Job> jobs_of(const StudyConfig& study, const std::vector<Arm>& arms, const Surroundings& around);

enum class JobState { waiting, begun, finished };
JobState state_of(const Job& job, const std::string& runs);
std::string name(JobState state);

// Of a job that trains.
Config config_of(const Job& job, const StudyConfig& study, const std::vector<Arm>& arms, const ModelFactory& factory);

// The result of a finished job. UnreadableError where it is damaged or another job's.
JsonValue read_result(const Job& job, const std::string& runs);
void write_result(const Job& job, const std::string& runs, JsonValue result);

// What a run's result.json lacks of a finished job: nothing, or the rereadings that are still to be made.
bool has_result(const Job& job, const std::string& runs);
std::vector<Rereading> missing_rereadings(const Job& job, const std::string& runs);
void write_rereading(const Job& job, const Rereading& reading, const std::string& runs, const Reread& found);
Reread read_rereading(const Job& job, const Rereading& reading, const std::string& runs);

// Measures, and returns the result; none where `stop` gave up between two models. Not for jobs that train.
std::optional<JsonValue> measured(const Job& job, const StudyConfig& study, const std::vector<Arm>& arms, const ModelFactory& factory,
                                 const std::function<bool()>& stop);

}  // namespace adder::studies
