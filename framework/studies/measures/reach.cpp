// How far back the gradient of one token's loss reaches in a model before training, on random tokens, in float64.
// rate: decades that |d loss_t / d embedding_{t-k}| loses a token (0: none; below 0: it explodes). kept: log10 of the norm
// at the last lag over that at lag 1.
#include <algorithm>

#include "framework/core/error.h"
#include "framework/gradient_lab/lag_profile.h"
#include "framework/measure/random_tokens.h"
#include "framework/studies/measures/measure.h"

namespace adder::studies {
namespace {

class Reach : public Measure {
 public:
  When when() const override { return When::untrained; }
  std::vector<std::string> values(const Config&) const override { return {"rate", "kept"}; }
  std::string unit(const std::string& value) const override { return value == "rate" ? "decades a token" : "decades"; }
  void fields(Fields& f) override {
    f("length", length_, "tokens of a probe", at_least(16));
    f("probes", probes_, "stretches of tokens", at_least(1));
  }
  void check(const Config& arm, const std::string& where) const override {
    if (arm.data.task.given() && arm.data.task.options->features())
      throw UsageError(where + ": the measure reach wants token ids, but the task " + arm.data.task.name + " has real inputs");
    require_positions(arm, length_, where, "reach is measured over " + std::to_string(length_) + " tokens");
  }
  Values of_model(const Subject& subject) const override {
    const auto model = subject.model(DType::f64);
    const Batch batch = RandomTokens(subject.vocabulary, probes_, length_).at(subject.config.seed);
    const lab::LagProfile profile = lab::lag_profile(*model, batch.ids, batch.labels, length_ - 1);
    const std::vector<double> mean = lab::mean_profile(profile.embedding);
    return {{"rate", profile.memory.rate}, {"kept", mean.back() - mean[1]}};
  }

 private:
  int64_t length_ = 128, probes_ = 4;
};

}  // namespace

std::shared_ptr<Measure> make_reach() { return std::make_shared<Reach>(); }

}  // namespace adder::studies
