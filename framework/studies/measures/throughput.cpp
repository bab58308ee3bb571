// throughput: tokens a second while as many sequences are decoded at once as fit into `memory` bytes, weights and their
// states or caches after `context` tokens together, `most` at the most. batch: how many those are. (The packed copy of the
// weights that decoding reads, inference/packed_weights.h, is not counted: a peer may do without.)
#include <algorithm>

#include "framework/core/error.h"
#include "framework/measure/model_bench.h"
#include "framework/studies/measures/measure.h"
#include "framework/studies/measures/state_bytes.h"

namespace adder::studies {
namespace {

class Throughput : public Measure {
 public:
  When when() const override { return When::timed; }
  int64_t rounds() const override { return rounds_; }
  std::vector<std::string> values(const Config&) const override { return {"throughput", "batch"}; }
  std::string unit(const std::string& value) const override { return value == "batch" ? "sequences" : "tokens a second"; }
  bool exact(const std::string& value) const override { return value == "batch"; }
  void fields(Fields& f) override {
    f("context", context_, "tokens before those that are timed", at_least(32));
    f("memory", memory_, "bytes for weights and states", at_least(1));
    f("most", most_, "sequences at once, at the most", size_range());
    f("rounds", rounds_, "times that each arm has its turn", at_least(1));
    f("seconds", seconds_, "of decoding a round", above(0));
  }
  void check(const Config& arm, const std::string& where) const override {
    require_positions(arm, context_, where, "throughput is measured at context " + std::to_string(context_));
  }
  Values of_model(const Subject& subject) const override {
    const auto model = subject.model(subject.config.dtype());
    const int64_t weights = model->parameters().count() * int64_t(bytes_of(subject.config.dtype()));
    const int64_t each = state_bytes(*model, context_), batch = std::min(most_, (memory_ - weights) / each);
    if (batch < 1)
      throw UsageError("throughput: memory is " + std::to_string(memory_) + " bytes, but the weights of " + subject.config.model.architecture + " take " +
                       std::to_string(weights) + " and one sequence " + std::to_string(each) + "; give more");
    return {{"throughput", double(batch) / decode_seconds(*model, context_, seconds_, batch)}, {"batch", double(batch)}};
  }

 private:
  int64_t context_ = 2048, memory_ = int64_t{1} << 26, most_ = 1024, rounds_ = 7;
  double seconds_ = 0.05;
};

}  // namespace

std::shared_ptr<Measure> make_throughput() { return std::make_shared<Throughput>(); }

}  // namespace adder::studies
