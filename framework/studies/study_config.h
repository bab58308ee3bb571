// A study: a base run, the axes along which it varies, what is matched, what is measured, and what is claimed. All of it
// stands before the first run.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "framework/studies/measures/measure.h"

namespace adder::studies {

// What is read further elsewhere: keys of a config.
struct FreeKeys : Options {
  JsonValue tree = JsonValue::object();
  void fields(Fields&) override {}
};

// A value of an axis that is several keys at once.
struct ArmConfig : Options {
  std::string name;
  FreeKeys set;  // an object: "model.d_model": 64, or sections as in a config
  void fields(Fields& f) override;
};

struct AxisConfig : Options {
  std::string name, key;  // key: the path that `values` are given to
  std::vector<JsonValue> values;
  std::vector<ArmConfig> arms;
  void fields(Fields& f) override;
};

struct MatchConfig : Options {
  std::string what = "none", key = "model.d_model", reference, budget = "tokens";
  int64_t target = 0, multiple = 1;
  double tolerance = 0.02;
  void fields(Fields& f) override;
  bool by_time() const { return budget == "time"; }
};

// Before the runs that are reported each arm tries these values with seeds of their own, and takes the one whose loss on
// the validation split is lowest.
struct SweepConfig : Options {
  std::string key = "optimizer.learning_rate";
  std::vector<double> values;
  std::vector<int64_t> seeds = {101};
  void fields(Fields& f) override;
  bool given() const { return !values.empty(); }
};

struct MeasureConfig : Options {
  std::string name;
  std::shared_ptr<Measure> measure;  // its keys
  void fields(Fields& f) override;
};

struct ClaimConfig : Options {
  std::string id, statement, measure;  // measure: "quality.loss"
  std::vector<std::string> arms;       // one, or A and B
  std::string compare = "difference", relation;
  double bound = 0, margin = 0;
  std::vector<double> band;
  Place place;
  void fields(Fields& f) override;

  bool paired() const { return arms.size() == 2; }
  // What supports it: a value from low to high.
  double low() const;
  double high() const;
  std::string text() const;  // "A - B at most 0.02"
};

// A scaling law (scaling_fit.h) over runs of arms of several sizes.
struct FitConfig : Options {
  std::string id, measure = "quality.loss", law = "parameters";
  std::vector<std::string> arms;  // none: all
  int64_t draws = 1000;
  double huber = 1e-3;
  Place place;
  void fields(Fields& f) override;
};

struct StudyConfig : Options {
  std::string name, question;
  std::vector<std::string> doubts;   // reasons not to believe it that the program can't know
  std::vector<std::string> studies;  // of a set: the files of its studies, relative to it
  FreeKeys base;                     // a config, with its own "extends"; of a loaded study with what it extends
  std::vector<AxisConfig> axes;
  std::vector<int64_t> seeds = {1, 2, 3, 4, 5, 6};
  MatchConfig match;
  SweepConfig sweep;
  std::vector<MeasureConfig> measures;
  std::vector<ClaimConfig> claims;
  std::vector<FitConfig> fits;
  double alpha = 0.05;
  FreeKeys full;  // what the full form changes of all this
  void fields(Fields& f) override;

  std::string source;
  bool is_full = false;
};

// Reads and checks all but the runs' configs (arms.h). UsageError with file, line and key.
StudyConfig load_study(const std::string& path, bool full);
StudyConfig read_study(JsonValue tree, const std::string& path, bool full);
// JSON Schema of study files, for editors.
std::string study_schema();
// All of it as a tree that read_study() takes.
JsonValue tree_of(const StudyConfig& study);

}  // namespace adder::studies
