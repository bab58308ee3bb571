// The runs of a study side by side: each a process of its own, `adder study … --run FOLDER`. What is timed runs alone, after the
// others, with all threads, but for a calibration: it has as many as the runs whose steps follow from it.
#pragma once
#include "framework/cli/study_jobs.h"

namespace adder {

struct ProcessOptions {
  std::string file, folder;
  bool full;
  int jobs;
  bool quiet;
};
// The exit code: the first that is not 0. `stop` is handed on to the processes, which save.
int run_in_processes(const std::vector<StudyJob>& work, const ProcessOptions& options, const std::string& runs, const std::function<bool()>& stop);

}  // namespace adder
