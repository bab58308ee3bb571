// The folder of a study, or of a set of them: study.json (all that was decided before the runs), runs/<hash>/, and what is
// made of them: results.json, results.csv, results.h5, report.html; hashes.json, of the raw files behind these.
#pragma once
#include <algorithm>

#include "framework/studies/findings.h"

namespace adder::studies {

struct StudySet {
  std::string name, question, folder;
  std::vector<StudyPlan> plans;
  JsonValue found;  // what Surroundings found
  bool full = false;
  Stage stage() const {  // of the study that is least far
    Stage least = Stage::running;
    for (const StudyPlan& plan : plans) least = std::min(least, plan.stage);
    return least;
  }
};

// A study file, or a set of them. Nothing is written.
// `folder`: where its results are or will be, of its sweeps for one; "": studies/<name>.
StudySet load_set(const std::string& path, bool full, const Surroundings& around, std::string folder = "");
StudySet stored_set(const std::string& folder, const ModelFactory& factory);

std::string runs_folder(const std::string& folder);
// UsageError where the folder holds another study.
void write_study(const StudySet& set, const std::string& folder);
// results.json, results.csv, results.h5, report.html and hashes.json.
std::vector<Findings> write_report(const StudySet& set, const std::string& folder);
// Everything that differs from what the folder's results say, in words; empty: nothing does.
std::vector<std::string> verify(const std::string& folder, const ModelFactory& factory);

}  // namespace adder::studies
