// What a run needs until its loss on the validation split is `loss` or less, at the first evaluation that says so.
// reached: whether it got there at all. steps, tokens, flops: until then. seconds: tokens times pace, the time a token of a
// training step as the study times it, the arms in turn and nothing else running; not what the clock said during the run.
// A run that never got there took more than it had.
#include "framework/core/error.h"
#include "framework/studies/measures/pace.h"

namespace adder::studies {
namespace {

class Target : public Measure {
 public:
  When when() const override { return When::trained; }
  int64_t rounds() const override { return rounds_; }
  bool paced() const override { return rounds_ > 0; }
  std::vector<std::string> values(const Config&) const override {
    std::vector<std::string> names = {"reached", "steps", "tokens", "flops"};
    if (paced()) names.insert(names.end(), {"seconds", "pace"});
    return names;
  }
  std::string unit(const std::string& value) const override {
    if (value == "reached") return "share of runs";
    return value == "flops" ? "FLOPs" : value == "pace" ? "seconds a token" : value;
  }
  bool yes_or_no(const std::string& value) const override { return value == "reached"; }
  bool waiting(const std::string& value) const override { return value != "reached" && value != "pace"; }
  void fields(Fields& f) override {
    f("loss", loss_, "on the validation split, nats a token", above(0));
    f("rounds", rounds_, "times that each arm's training step is timed in turn; 0: no seconds", at_least(0));
    f("seconds", seconds_, "of steps a round; three steps at least", above(0));
  }
  void check(const Config& arm, const std::string& where) const override {
    if (loss_ == 0) throw UsageError(where + ": target.loss is missing: the loss that is to be reached");
    if (arm.model.counts) throw UsageError(where + ": target: the arm counts the text, it has no steps on the way to a loss");
    if (arm.evaluation.every < 1)
      throw UsageError(where + ": target: evaluation.every is 0, so that only the last step is looked at; set the steps between evaluations");
    const DataConfig& d = arm.data;
    if (!d.task.given() && !d.is_generated() && d.validation.empty() && d.validation_fraction == 0)
      throw UsageError(where + ": target: there is no validation split to watch the loss on; set data.validation_fraction");
  }
  Values of_run(const Ran& run) const override {
    const JsonValue* curve = run.result.find("curve");
    if (!curve) return {{"reached", 0}};
    for (const JsonValue& point : curve->items) {
      if (!(number_of(point.items[1]) <= loss_)) continue;
      Values values = until(run, number_of(point.items[0]));
      values.emplace_back("reached", 1);
      return values;
    }
    return {{"reached", 0}};
  }
  // A run that diverged before it got there says nothing of how long it would have taken.
  Values censored(const Ran& run) const override {
    return !run.result.find("failed") && of_run(run).size() == 1 ? until(run, double(run.config.training.steps)) : Values();
  }
  Values of_model(const Subject& subject) const override { return {{"pace", pace(subject, seconds_)}}; }

 private:
  static Values until(const Ran& run, double steps) {
    const double tokens = steps * double(run.config.training.tokens_a_step());
    return {{"steps", steps}, {"tokens", tokens}, {"flops", tokens * run.flops}};
  }
  double loss_ = 0, seconds_ = 0.05;
  int64_t rounds_ = 7;
};

}  // namespace

std::shared_ptr<Measure> make_target() { return std::make_shared<Target>(); }

}  // namespace adder::studies
