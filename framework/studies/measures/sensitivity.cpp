// How much a wrong learning rate costs (Wortsman et al., 2023, section 2.2), over the values of the study's sweep:
//   deviation = mean over the values v of min(l(v), l_0) - min over v of l(v)
// l(v): the last loss on the validation split of the trial with v; l_0: the loss before the first step, which also stands for
// a trial that diverged. best: min over v of l(v). One of each a seed of the sweep.
#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/studies/measures/measure.h"

namespace adder::studies {
namespace {

class Sensitivity : public Measure {
 public:
  When when() const override { return When::swept; }
  std::vector<std::string> values(const Config&) const override { return {"deviation", "best"}; }
  std::string unit(const std::string& value) const override { return value == "best" ? "nats a token" : "nats"; }
  void fields(Fields&) override {}
  void check(const Config& arm, const std::string& where) const override {
    if (!arm.initialize.from.empty())
      throw UsageError(where + ": sensitivity caps losses at that of an untrained model, but initialize.from is \"" + arm.initialize.from +
                       "\"; remove it");
  }
  Values of_trials(const std::vector<Trial>& trials) const override {
    double sum = 0, best = INFINITY;
    for (const Trial& t : trials) {
      const double loss = std::isfinite(t.loss) ? std::min(t.loss, t.initial) : t.initial;
      sum += loss, best = std::min(best, loss);
    }
    return {{"deviation", sum / double(trials.size()) - best}, {"best", best}};
  }
};

}  // namespace

std::shared_ptr<Measure> make_sensitivity() { return std::make_shared<Sensitivity>(); }

}  // namespace adder::studies
