// From samples to a verdict. A claim's effect has an interval at the level that Holm's procedure leaves it among the claims
// of its study; it is supported where the whole interval lies where the claim puts the effect, refuted where all of it lies
// elsewhere, and undecided in between.
#pragma once
#include <limits>
#include <map>

#include "framework/studies/statistics.h"
#include "framework/studies/study_config.h"

namespace adder::studies {

// One value of one arm: by seed, or by round.
struct Sample {
  std::vector<int64_t> keys;
  std::vector<double> values;
  int64_t failed = 0;  // runs without a value: they diverged, or had none
  std::vector<int64_t> waiting_keys;  // runs that never got there,
  std::vector<double> at_least;       // and how far they had come by their end
  bool empty() const { return values.empty() && at_least.empty(); }
};
using Samples = std::map<std::string, std::map<std::string, Sample>>;  // "quality.loss" -> arm

// How the values of a claim's measure are to be read.
struct Reading {
  bool exact = false, yes_or_no = false, timed = false;
  bool waiting = false;  // the way to an event: medians, and runs that never got there may have taken any longer
};

enum class Answer { supported, refuted, undecided };
std::string name(Answer answer);

struct Verdict {
  Answer answer = Answer::undecided;
  double effect = std::numeric_limits<double>::quiet_NaN(), low = -std::numeric_limits<double>::infinity(),
         high = std::numeric_limits<double>::infinity();
  double confidence = 0;    // of the interval
  double p = 1;             // the level at which the interval would just decide; Holm works on it
  double sign_flip = std::numeric_limits<double>::quiet_NaN();  // exact two-sided p of no difference at all; NaN: no pairs
  int64_t n = 0, failed = 0;
  int64_t never = 0;        // runs that never got there
  int64_t needed = 0;       // of an undecided claim: the seeds (rounds) that would decide if all went on as it did; 0: none known
  std::string method, why;  // why: of an undecided one
  std::vector<double> each;  // by pair, or of the one arm
};

// In the order of the claims, which are one family.
std::vector<Verdict> decide(const std::vector<ClaimConfig>& claims, const std::vector<Reading>& readings, const Samples& samples,
                            double alpha);

// Means and intervals for tables. Of yes-or-no values Wilson's, of exact ones their range, else Student's.
struct Summary {
  double mean = std::numeric_limits<double>::quiet_NaN(), low = mean, high = mean;
};
Summary summary_of(const Sample& sample, const Reading& reading, double confidence = 0.95);

}  // namespace adder::studies
