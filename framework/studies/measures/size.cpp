// What a model costs by counting alone, no clock: parameters; FLOPs of a training step a token; the bytes that one
// sequence's state or cache takes after a context ("state@1024").
#include <algorithm>

#include "framework/measure/plan.h"
#include "framework/measure/random_tokens.h"
#include "framework/studies/measures/measure.h"
#include "framework/studies/measures/state_bytes.h"

namespace adder::studies {
namespace {

class Size : public Measure {
 public:
  When when() const override { return When::untrained; }
  bool exact(const std::string&) const override { return true; }
  std::vector<std::string> values(const Config&) const override {
    std::vector<std::string> names = {"parameters", "flops", "memory"};
    for (const int64_t c : contexts_) names.push_back("state@" + std::to_string(c));
    if (contexts_.size() > 1) names.push_back("state_exponent");
    return names;
  }
  std::string unit(const std::string& value) const override {
    if (value == "parameters") return "parameters";
    if (value == "state_exponent") return "exponent";
    return value == "flops" ? "FLOPs a token of training" : "bytes";
  }
  void fields(Fields& f) override {
    f("contexts", contexts_, "tokens that were read when the state is weighed", at_least(1));
  }
  Values of_model(const Subject& subject) const override {
    const Plan plan = rehearse(subject.config, subject.factory, subject.vocabulary);
    Values values = {{"parameters", double(plan.parameters)},
                     {"flops", plan.step.flops / double(plan.tokens)},
                     {"memory", double(plan.memory.step_peak)}};
    const auto model = subject.model(subject.config.dtype());
    std::vector<double> x, y;
    for (const int64_t c : contexts_) {
      x.push_back(double(c)), y.push_back(double(state_bytes(*model, c)));
      values.emplace_back("state@" + std::to_string(c), y.back());
    }
    if (contexts_.size() > 1) values.emplace_back("state_exponent", fitted_exponent(x, y));
    return values;
  }

 private:
  std::vector<int64_t> contexts_ = {256, 1024};
};

}  // namespace

std::shared_ptr<Measure> make_size() { return std::make_shared<Size>(); }

}  // namespace adder::studies
