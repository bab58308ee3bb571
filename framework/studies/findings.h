// What a study found: the results of its jobs as samples, its claims as verdicts, and the same as JSON and CSV.
#pragma once
#include "framework/studies/fits.h"
#include "framework/studies/job.h"
#include "framework/studies/verdict.h"

namespace adder::studies {

// How far a study's jobs are known: the steps of the arms follow from a calibration, what they are run with from a sweep.
enum class Stage { calibrating, sweeping, running };

// A study as it lies in a folder: its config, arms and jobs.
struct StudyPlan {
  StudyConfig study;
  std::vector<Arm> arms;
  std::vector<Job> jobs;  // up to its stage
  Stage stage = Stage::running;
};
// What a calibration and a sweep gave is read from `runs`, the folder of the results.
StudyPlan plan_of(const StudyConfig& study, const Surroundings& around, const std::string& runs);

// What a value varies by where nothing but the seed does.
struct NoiseFloor {
  std::string value;
  std::vector<std::pair<std::string, double>> deviations;  // by arm, of those with two seeds and more
  int64_t seeds = 0;                                        // the fewest of these arms
  // The difference of two arms that a test at the study's alpha finds in 8 of 10 studies, were both as noisy as these arms on
  // average and no seed's luck shared; infinite with one seed.
  double detectable = 0;
};

struct Findings {
  Samples samples;
  std::vector<Reading> readings;   // of the claims
  std::vector<Verdict> verdicts;   // of the claims
  std::map<std::string, Reading> reading_of;  // of each value
  std::vector<std::string> values;            // "quality.loss", in the order of the measures
  std::map<std::string, std::string> units;
  int64_t missing = 0;             // jobs without a result
  std::vector<std::string> failures;  // "rnn, seed 3: diverged at step 12 …"
  std::string split;               // that losses are of: "test", "validation"; empty: of none
  // The paired block bootstrap over the text of what stretches of it give, the seeds' mean: by "A minus B" of quality.loss, by
  // "extrapolation.rise of A minus B" of others.
  std::map<std::string, statistics::Interval> text_intervals;
  std::map<std::string, std::map<double, Sample>> trials;  // arm -> value of the sweep -> loss on the validation split, by seed
  std::vector<FitFinding> fits;    // of the study's fits
  std::map<std::string, double> source_losses, entropy_rates;  // of an arm's generated text
  std::map<std::string, JsonValue> curves;  // arm -> list of runs, each [[step, loss], …]
};
// Of the values that seeds draw, those that claims are about first.
std::vector<NoiseFloor> noise_floors(const StudyPlan& plan, const Findings& findings);
Findings findings_of(const StudyPlan& plan, const std::string& runs);

JsonValue to_json(const StudyPlan& plan, const Findings& outcome);
std::string to_csv(const std::vector<StudyPlan>& plans, const std::vector<Findings>& all);

}  // namespace adder::studies
