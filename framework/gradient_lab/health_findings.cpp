#include "framework/gradient_lab/health_findings.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "framework/gradient_lab/magnitude.h"

namespace adder::lab {
namespace {

constexpr int64_t kFirstSteps = 10;  // Adam's first updates are as large as the rate in every element

class Reader {
 public:
  Reader(int64_t step, const Metrics& health, const HealthBounds& bounds)
      : step_(step), bounds_(bounds), values_(health.begin(), health.end()) {}

  std::vector<Finding> found;

  void say(const std::string& what, Verdict verdict, const std::string& text) {
    found.push_back({what, verdict, text + " (step " + std::to_string(step_) + ")"});
  }

  // All values of health/<group>/<what>.
  template <class F>
  void each(const std::string& group, F f) const {
    const std::string prefix = "health/" + group + "/";
    for (auto it = values_.lower_bound(prefix); it != values_.end() && it->first.starts_with(prefix); ++it)
      f(it->first.substr(prefix.size()), it->second);
  }
  double one(const std::string& name) const {
    const auto found_at = values_.find("health/" + name);
    return found_at == values_.end() ? std::nan("") : found_at->second;
  }

  void read_loss(double loss, double chance) {
    if (loss - chance > bounds_.above_chance)
      say("loss", Verdict::exploding, "the loss is " + rounded(loss - chance) + " nats above that of equal odds");
    if (one("spike") > bounds_.spike)
      say("loss", Verdict::exploding, "the loss stands " + rounded(one("spike")) + " standard deviations above the last ones");
    if (one("logit") > bounds_.logit) say("head", Verdict::exploding, "a logit is as large as " + rounded(one("logit")));
    if (one("clip_fraction") == 1 && one("clip_scale") < bounds_.clip_scale)
      say("clip_norm", Verdict::vanishing, "every step is clipped, this one to " + rounded(one("clip_scale")) + " of its length");
  }

  void read_tensors() {
    double largest = 0, least_below = 1;
    bool any = false;
    each("grad_norm", [&](const std::string&, double v) { largest = std::max(largest, v); });
    each("grad_norm", [&](const std::string& name, double v) {
      if (v <= bounds_.gradient_least * largest) say(name, Verdict::vanishing, "no gradient reaches it: its norm is " + rounded(v));
    });
    each("update", [&](const std::string& name, double v) {
      if (v > bounds_.update_most && step_ > kFirstSteps)
        say(name, Verdict::exploding, "an update is " + rounded(v) + " times as large as the weights: the learning rate is too high");
      if (v < bounds_.update_least) say(name, Verdict::vanishing, "it does not move: an update is " + rounded(v) + " of the weights");
    });
    each("below_eps", [&](const std::string&, double v) { least_below = std::min(least_below, v), any = true; });
    if (any && least_below > bounds_.below_eps)
      say("optimizer.eps", Verdict::vanishing, "it is larger than a tenth of Adam's root of the second moment almost everywhere");
    each("outlier", [&](const std::string& name, double v) {
      if (v > bounds_.outlier) say(name, Verdict::wrong, "one weight holds " + rounded(100 * v) + " % of the squares of all");
    });
  }

  void read_layers() {
    each("rms", [&](const std::string& part, double v) {
      if (v > bounds_.rms_most) say(part, Verdict::exploding, "its values have a root mean square of " + rounded(v));
      if (v < bounds_.rms_least) say(part, Verdict::vanishing, "its values have a root mean square of " + rounded(v));
    });
    if (one("stream_growth") > bounds_.growth)
      say("residual stream", Verdict::exploding, "it grows " + rounded(one("stream_growth")) + " times from the embedding to the last block");
    each("dead", [&](const std::string& part, double v) {
      if (v > bounds_.dead) say(part, Verdict::vanishing, rounded(100 * v) + " % of its units are dead");
    });
    each("saturated", [&](const std::string& part, double v) {
      if (v > bounds_.saturated) say(part, Verdict::vanishing, rounded(100 * v) + " % of its outputs are saturated");
    });
    read_gates();
    read_attention();
    read_depth();
  }

  void read_gates() {
    each("closed", [&](const std::string& gate, double v) {
      if (v > bounds_.gate) say(gate, Verdict::vanishing, "the gate is closed in " + rounded(100 * v) + " % of cases");
    });
    each("open", [&](const std::string& gate, double v) {
      const bool may_stay_open = gate.ends_with(".forget");  // as chrono initialisation has it
      if (v > bounds_.gate && !may_stay_open) say(gate, Verdict::wrong, "the gate is wide open in " + rounded(100 * v) + " % of cases");
    });
    each("time_constant", [&](const std::string& part, double v) {
      if (part.ends_with(".high") && v < bounds_.constant_least)
        say(part.substr(0, part.size() - 5), Verdict::vanishing, "nine tenths of the states forget within " + rounded(v) + " tokens");
      if (part.ends_with(".low") && v > bounds_.constant_most)
        say(part.substr(0, part.size() - 4), Verdict::wrong, "nine tenths of the states neither forget nor take anything in: time constants from " + rounded(v) + " tokens");
    });
  }

  void read_attention() {
    each("attention_logit", [&](const std::string& part, double v) {
      if (v > bounds_.attention_logit) say(part, Verdict::exploding, "an attention logit is as large as " + rounded(v));
    });
    each("attention_entropy", [&](const std::string& part, double v) {
      if (v < bounds_.attention_entropy) say(part, Verdict::wrong, "attention looks at one key alone: its entropy is " + rounded(v) + " of the largest");
    });
  }

  // The residual stream's gradient: from the last block to the first.
  void read_depth() {
    std::map<int64_t, double> by_block;
    each("gradient", [&](const std::string& part, double v) {
      if (part.starts_with("blocks.") && part.find('.', 7) == std::string::npos) by_block[std::stoll(part.substr(7))] = v;
    });
    if (by_block.size() < 2) return;
    const double ratio = by_block.begin()->second / by_block.rbegin()->second;
    if (ratio > bounds_.depth) say("blocks.0", Verdict::exploding, "the gradient grows " + rounded(ratio) + " times on the way down to it");
    if (ratio < 1 / bounds_.depth) say("blocks.0", Verdict::vanishing, "of the last block's gradient " + rounded(ratio) + " reaches it");
  }

 private:
  int64_t step_;
  const HealthBounds& bounds_;
  std::map<std::string, double> values_;
};

}  // namespace

std::vector<Finding> health_findings(int64_t step, double loss, double chance, const Metrics& health, const HealthBounds& bounds) {
  Reader reader(step, health, bounds);
  reader.read_loss(loss, chance);
  reader.read_tensors();
  reader.read_layers();
  return std::move(reader.found);
}

}  // namespace adder::lab
