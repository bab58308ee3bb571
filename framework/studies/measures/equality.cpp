// difference: of the logits of single steps from those of the whole stretch at once, max |a - b| / max |b|, on random tokens.
#include <algorithm>
#include <cmath>

#include "framework/measure/random_tokens.h"
#include "framework/studies/measures/measure.h"

namespace adder::studies {
namespace {

class Equality : public Measure {
 public:
  When when() const override { return When::untrained; }
  std::vector<std::string> values(const Config&) const override { return {"difference"}; }
  std::string unit(const std::string&) const override { return "share of the largest logit"; }
  bool exact(const std::string&) const override { return true; }
  void fields(Fields& f) override { f("length", length_, "tokens", at_least(2)); }
  void check(const Config& arm, const std::string& where) const override {
    require_positions(arm, length_, where, "equality is measured over " + std::to_string(length_) + " tokens");
  }
  Values of_model(const Subject& subject) const override {
    const auto model = subject.model(subject.config.dtype());
    const Batch batch = RandomTokens(subject.vocabulary, 1, length_, model->features()).at(subject.config.seed);
    const auto logits = [&](int64_t first, int64_t count, State& state) {
      Pass pass;
      const auto part = [&](const Tensor& t) { return t.defined() ? t.narrow(1, first, count).clone() : Tensor(); };
      return model->forward(pass, {part(batch.ids), {}, part(batch.features)}, state).value();
    };
    State whole, stepped;
    const Tensor all = logits(0, length_, whole);
    double error = 0, peak = 0;
    for (int64_t t = 0; t < length_; ++t) {
      const Tensor one = logits(t, 1, stepped);
      for (int64_t v = 0; v < one.size(); ++v) {
        const double want = all.item(t * one.size() + v);
        error = std::max(error, std::abs(one.item(v) - want)), peak = std::max(peak, std::abs(want));
      }
    }
    return {{"difference", peak > 0 ? error / peak : INFINITY}};
  }

 private:
  int64_t length_ = 64;
};

}  // namespace

std::shared_ptr<Measure> make_equality() { return std::make_shared<Equality>(); }

}  // namespace adder::studies
