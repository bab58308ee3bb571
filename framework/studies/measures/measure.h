// A measure: what a study reads off a model. Each is a file here and its line in measures.cpp; its keys in a study's
// config are its fields().
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/config/config.h"
#include "framework/data/tokens.h"

namespace adder::studies {

using Values = std::vector<std::pair<std::string, double>>;

// A fresh model, as an arm of a study has it.
struct Subject {
  const Config& config;  // of one seed
  int64_t vocabulary;
  const ModelFactory& factory;
  std::unique_ptr<Model> model(DType dtype) const {
    return factory.make(config.model, vocabulary, uint64_t(config.seed), dtype);
  }
};

// A run that is done.
struct Ran {
  const JsonValue& result;  // result.json (job.h)
  const Config& config;
  double flops;             // a training token
};

// One trial of a sweep.
struct Trial {
  double value;    // that its key was set to
  double loss;     // the last on the validation split; NaN: it diverged
  double initial;  // of the first batch, before the first step
};

// The model that a run ended with, and the split that its loss is of.
struct Trained {
  const Config& config;
  Model& model;
  const TokenSpan& tokens;
  const std::function<bool()>& stop;
};
struct Reread {
  Values values;
  std::map<std::string, std::vector<double>> windows = {};  // of some values: what each stretch of the text gives
};

enum class When {
  trained,    // read from the result of each run: of_run()
  reread,     // of_trained(), once a run, from its last checkpoint
  swept,      // of_trials(), once an arm and seed of the study's sweep
  untrained,  // of_model(), once an arm and seed
  timed       // of_model(), the arms in turn, round after round, while nothing else runs
};

class Measure : public Options {
 public:
  virtual When when() const = 0;
  // The names of what it gives, "loss"; which of them there are may depend on the arm's config.
  virtual std::vector<std::string> values(const Config& config) const = 0;
  virtual std::string unit(const std::string& value) const = 0;
  virtual Values of_run(const Ran&) const { return {}; }
  // Of values that a run never got to, what they are at least: it went on for so long.
  virtual Values censored(const Ran&) const { return {}; }
  virtual Values of_trials(const std::vector<Trial>&) const { return {}; }  // in the order of the sweep's values
  virtual Values of_model(const Subject&) const { return {}; }
  virtual std::optional<Reread> of_trained(const Trained&) const { return Reread(); }  // none: told to stop
  virtual int64_t rounds() const { return 1; }                         // of a timed measure
  virtual bool exact(const std::string& /*value*/) const { return false; }   // one value decides: no seed changes it
  virtual bool yes_or_no(const std::string& /*value*/) const { return false; }  // 0 or 1 a run
  virtual bool waiting(const std::string& /*value*/) const { return false; }    // the way to an event, which may never come
  // A measure of runs whose of_model() tells "pace", seconds a token, timed as of When::timed: its "seconds" are its "tokens"
  // times the median pace of the arm.
  virtual bool paced() const { return false; }
  virtual int64_t window(const Config& /*arm*/) const { return 0; }  // tokens of a stretch that a value is known of by itself
  virtual int64_t tokens_needed() const { return 0; }                // of the split that losses are of
  // UsageError where an arm can't be measured so; `where` begins the message.
  virtual void check(const Config& /*arm*/, const std::string& /*where*/) const {}
};

struct MeasureKind {
  std::string name, doc;
  std::function<std::shared_ptr<Measure>()> make;
};
const std::vector<MeasureKind>& measure_kinds();

// UsageError where the arm's learned positions end before `tokens`; `use`: "decoding is measured at context 128".
void require_positions(const Config& arm, int64_t tokens, const std::string& where, const std::string& use);


// The slope of log y on log x by least squares: the exponent of y ~ x^slope.
double fitted_exponent(const std::vector<double>& x, const std::vector<double>& y);

}  // namespace adder::studies
