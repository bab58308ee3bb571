// latency@C: seconds a token at batch 1 after a context of C tokens. growth: that of the longest context over that of the
// shortest. linearity: the slope of the latency over the last two contexts, over that of the first two (1: a straight
// line); it needs three contexts and a latency that grows.
#include "framework/measure/model_bench.h"
#include "framework/studies/measures/measure.h"

namespace adder::studies {
namespace {

class Decoding : public Measure {
 public:
  When when() const override { return When::timed; }
  int64_t rounds() const override { return rounds_; }
  std::vector<std::string> values(const Config&) const override {
    std::vector<std::string> names;
    for (const int64_t n : contexts_) names.push_back("latency@" + std::to_string(n));
    if (contexts_.size() > 1) names.push_back("growth");
    if (contexts_.size() > 2) names.push_back("linearity");
    return names;
  }
  std::string unit(const std::string& value) const override { return value.starts_with("latency") ? "seconds a token" : "ratio"; }
  void fields(Fields& f) override {
    f("contexts", contexts_, "tokens before the one that is timed, rising", at_least(2));
    f("rounds", rounds_, "times that each arm has its turn", at_least(1));
    f("seconds", seconds_, "of decoding a round and context", above(0));
  }
  void check(const Config& arm, const std::string& where) const override {
    for (const int64_t n : contexts_)
      require_positions(arm, n, where, "decoding is measured at context " + std::to_string(n));
  }
  Values of_model(const Subject& subject) const override {
    const auto model = subject.model(subject.config.dtype());
    Values values;
    std::vector<double> y;
    for (const int64_t n : contexts_) {
      y.push_back(decode_seconds(*model, n, seconds_));
      values.emplace_back("latency@" + std::to_string(n), y.back());
    }
    const size_t last = y.size() - 1;
    const auto slope = [&](size_t i) { return (y[i] - y[i - 1]) / double(contexts_[i] - contexts_[i - 1]); };
    if (last > 0) values.emplace_back("growth", y[last] / y[0]);
    if (last > 1) values.emplace_back("linearity", slope(last) / slope(1));
    return values;
  }

 private:
  std::vector<int64_t> contexts_ = {128, 1024, 4096};
  int64_t rounds_ = 7;
  double seconds_ = 0.02;
};

}  // namespace

std::shared_ptr<Measure> make_decoding() { return std::make_shared<Decoding>(); }

}  // namespace adder::studies
