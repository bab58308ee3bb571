// seconds@L: of a training step a token, at each length L with the same number of tokens a step; the median of a few steps
// a round. exponent: of the time a token against the length, log-log, from the lengths given: 0 is a cost linear in the
// length, 1 a quadratic one. memory@L: the planned peak of a step, bytes a token.
#include "framework/core/error.h"
#include "framework/measure/kernel_bench.h"
#include "framework/measure/plan.h"
#include "framework/measure/random_tokens.h"
#include "framework/studies/measures/measure.h"
#include "framework/training/trainer.h"

namespace adder::studies {
namespace {

class Training : public Measure {
 public:
  When when() const override { return When::timed; }
  int64_t rounds() const override { return rounds_; }
  std::vector<std::string> values(const Config&) const override {
    std::vector<std::string> names;
    for (const int64_t n : lengths_) names.push_back("seconds@" + std::to_string(n));
    for (const int64_t n : lengths_) names.push_back("memory@" + std::to_string(n));
    if (lengths_.size() > 1) names.insert(names.end(), {"exponent", "last_exponent"});
    return names;
  }
  std::string unit(const std::string& value) const override {
    return value.starts_with("seconds") ? "seconds a token" : value.starts_with("memory") ? "bytes a token" : "exponent";
  }
  bool exact(const std::string& value) const override { return value.starts_with("memory"); }
  void fields(Fields& f) override {
    f("lengths", lengths_, "context lengths, rising", at_least(2));
    f("tokens", tokens_, "tokens a step, whatever the length; a multiple of each", count_range(1));
    f("rounds", rounds_, "times that each arm has its turn", at_least(1));
    f("seconds", seconds_, "of steps a round and length; three steps at least", above(0));
  }
  void check(const Config& arm, const std::string& where) const override {
    for (const int64_t n : lengths_) {
      if (tokens_ % n)
        throw UsageError(where + ": training: tokens is " + std::to_string(tokens_) + ", expected a multiple of each length, " + std::to_string(n) + " too");
      require_positions(arm, n, where, "training is measured at length " + std::to_string(n));
    }
  }
  Values of_model(const Subject& subject) const override {
    Values seconds, memory;
    std::vector<double> x, y;
    for (const int64_t n : lengths_) {
      Config config = subject.config;
      config.training.context_length = n, config.training.batch_size = tokens_ / n, config.training.accumulate = 1;
      config.training.state = "reset";
      const Plan plan = rehearse(config, subject.factory, subject.vocabulary);
      memory.emplace_back("memory@" + std::to_string(n), double(plan.memory.step_peak) / double(tokens_));
      x.push_back(double(n)), y.push_back(step_seconds(config, subject) / double(tokens_));
      seconds.emplace_back("seconds@" + std::to_string(n), y.back());
    }
    Values values = seconds;
    values.insert(values.end(), memory.begin(), memory.end());
    if (x.size() > 1) {
      values.emplace_back("exponent", fitted_exponent(x, y));
      values.emplace_back("last_exponent", fitted_exponent({x.end() - 2, x.end()}, {y.end() - 2, y.end()}));
    }
    return values;
  }

 private:
  double step_seconds(const Config& config, const Subject& subject) const {
    const RandomTokens batches(subject.vocabulary, config.training.batch_size, config.training.context_length, config.model.features);
    Trainer trainer(config, subject.factory.make(config.model, subject.vocabulary, uint64_t(config.seed), config.dtype()), batches);
    trainer.step();  // warms up: memory is taken here
    return median_seconds([&] { trainer.step(); }, seconds_);
  }
  std::vector<int64_t> lengths_ = {128, 256, 512, 1024};
  int64_t tokens_ = 1024, rounds_ = 7;
  double seconds_ = 0.05;
};

}  // namespace

std::shared_ptr<Measure> make_training() { return std::make_shared<Training>(); }

}  // namespace adder::studies
