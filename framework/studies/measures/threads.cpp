// gain: the time of a training step of one sequence on one thread over that on `threads`. With a batch of one what is left to
// share is the work of one step in time, or, where no step waits for the one before, that of all of them.
#include "framework/measure/kernel_bench.h"
#include "framework/measure/random_tokens.h"
#include "framework/studies/measures/measure.h"
#include "framework/training/trainer.h"
#include "kernels/parallel.h"

namespace adder::studies {
namespace {

class Threads : public Measure {
 public:
  When when() const override { return When::timed; }
  int64_t rounds() const override { return rounds_; }
  std::vector<std::string> values(const Config&) const override { return {"gain", "seconds"}; }
  std::string unit(const std::string& value) const override { return value == "gain" ? "ratio" : "seconds a token, one thread"; }
  void fields(Fields& f) override {
    f("length", length_, "tokens of the sequence", at_least(2));
    f("threads", threads_, "beside one", between(2, 256));
    f("rounds", rounds_, "times that each arm has its turn", at_least(1));
    f("seconds", seconds_, "of steps a round and number of threads; three steps at least", above(0));
  }
  void check(const Config& arm, const std::string& where) const override {
    require_positions(arm, length_, where, "threads is measured over " + std::to_string(length_) + " tokens");
  }
  Values of_model(const Subject& subject) const override {
    Config config = subject.config;
    config.training.context_length = length_, config.training.batch_size = config.training.accumulate = 1, config.training.state = "reset";
    const RandomTokens batches(subject.vocabulary, 1, length_, config.model.features);
    Trainer trainer(config, subject.model(config.dtype()), batches);
    const int before = kernels::threads();
    const auto seconds = [&](int threads) {
      kernels::set_threads(threads);
      trainer.step();
      return median_seconds([&] { trainer.step(); }, seconds_);
    };
    const double one = seconds(1), many = seconds(int(threads_));
    kernels::set_threads(before);
    return {{"gain", one / many}, {"seconds", one / double(length_)}};
  }

 private:
  int64_t length_ = 1024, threads_ = 2, rounds_ = 8;
  double seconds_ = 0.05;
};

}  // namespace

std::shared_ptr<Measure> make_threads() { return std::make_shared<Threads>(); }

}  // namespace adder::studies
