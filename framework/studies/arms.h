// The arms of a study: every combination of its axes, as configs of runs, their widths solved for.
#pragma once
#include <map>

#include "framework/studies/study_config.h"

namespace adder::studies {

// What studies need of the layers to their right, handed in by the command; what was found is kept, so that a study can be
// read again where its data are not.
class Surroundings {
 public:
  using Vocabulary = std::function<int64_t(const Config&)>;    // as training would find it
  using DataHash = std::function<std::string(const Config&)>;  // of the content
  using Tokens = std::function<int64_t(const Config&)>;        // of the split that losses are of
  Surroundings(const ModelFactory& factory, Vocabulary vocabulary, DataHash data_hash, Tokens tokens = nullptr)
      : factory(factory), vocabulary_(std::move(vocabulary)), data_hash_(std::move(data_hash)), tokens_(std::move(tokens)) {}
  // From what another one found; an UnreadableError for what it never asked for.
  Surroundings(const ModelFactory& factory, const JsonValue& found);

  const ModelFactory& factory;
  int64_t vocabulary(const Config& config) const;
  std::string data_hash(const Config& config) const;
  int64_t tokens(const Config& config) const;
  JsonValue found() const;

 private:
  Vocabulary vocabulary_;
  DataHash data_hash_;
  Tokens tokens_;
  mutable std::map<std::string, int64_t> vocabularies_, token_counts_;
  mutable std::map<std::string, std::string> hashes_;
};

struct Arm {
  std::string name;  // "mamba", "mamba 0.003"
  JsonValue tree;    // of its config, all but the seed
  Config config;     // of the first seed
  int64_t vocabulary = 0;
  int64_t parameters = 0;     // outside embedding and head
  int64_t all_parameters = 0;
  double flops = 0;           // a training token
  double state_bytes = 0;     // of one sequence after a training context
  std::string note;           // "model.d_model 116 solved for; training.steps 420 in the time of mamba"
  std::vector<double> paces;  // of a calibration: seconds a token, by round
  bool counts = false;
  bool at_edge = false;       // the value that its sweep chose is the least or the largest tried

  Arm with_key(const std::string& path, JsonValue value) const;  // the tree alone changes
  Config with_seed(int64_t seed, const ModelFactory& factory) const;
};

// UsageError where a key is unknown or a value refused, where a claim names no arm or no value of a measure, or a match
// can't be met.
std::vector<Arm> arms_of(const StudyConfig& study, const Surroundings& around);
// The arm of match.reference; null without one that is trained.
const Arm* reference_of(const std::vector<Arm>& arms, const StudyConfig& study);
// "quality.loss", …: what the study's measures give of an arm; `of_runs`: those alone that are of trained models.
std::vector<std::string> value_names(const StudyConfig& study, const Arm& arm, bool of_runs = false);
// The values of a measure that any of the arms has.
std::vector<std::string> values_of(const Measure& measure, const std::vector<Arm>& arms);

}  // namespace adder::studies
