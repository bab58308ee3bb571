// The runs of a study, one after another in this process.
#pragma once
#include "framework/studies/study_folder.h"

namespace adder {

struct StudyJob {
  int64_t number;  // of --list, from 1
  const studies::StudyPlan* plan;
  studies::Job job;
  const studies::StudyConfig& study() const { return plan->study; }
};
// Runs that two studies have in common come once; calibrations come first, then the trials of sweeps, what
// else is timed last. The plans are pointed to.
std::vector<StudyJob> work_of(const studies::StudySet& set);

// The exit code. Finished runs are left alone, those that another process has are passed over.
int run_here(const std::vector<StudyJob>& work, const ModelFactory& factory, const std::string& runs, bool quiet, const std::function<bool()>& stop);

}  // namespace adder
