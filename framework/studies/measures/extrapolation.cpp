// loss@L: nats a token where the text is read in stretches of L tokens, each from an empty state; the same tokens at every L.
// rise: that of the longest stretches minus that of the shortest (give the length of training first): below 0 the longer
// context helps, above 0 the model falls apart beyond what it was trained on.
#include "framework/core/error.h"
#include "framework/studies/measures/window_losses.h"

namespace adder::studies {
namespace {

class Extrapolation : public Measure {
 public:
  When when() const override { return When::reread; }
  std::vector<std::string> values(const Config&) const override {
    std::vector<std::string> names;
    for (const int64_t n : lengths_) names.push_back("loss@" + std::to_string(n));
    if (lengths_.size() > 1) names.push_back("rise");
    return names;
  }
  std::string unit(const std::string& value) const override { return value == "rise" ? "nats" : "nats a token"; }
  void fields(Fields& f) override {
    f("lengths", lengths_, "tokens of a stretch, rising; each divides the last", size_range());
    f("tokens", tokens_, "scored at each length, at the most", count_range(1));
  }
  int64_t window(const Config&) const override { return lengths_.back(); }
  int64_t tokens_needed() const override { return lengths_.back() + 1; }
  void check(const Config& arm, const std::string& where) const override {
    require_one_text(arm, where, "extrapolation");
    require_rising(lengths_, where + ": extrapolation.lengths");
    for (const int64_t n : lengths_)
      if (lengths_.back() % n)
        throw UsageError(where + ": extrapolation.lengths: " + std::to_string(n) + " does not divide the longest, " + std::to_string(lengths_.back()) +
                         ": all lengths score the same tokens");
    if (tokens_ < lengths_.back())
      throw UsageError(where + ": extrapolation.tokens is " + std::to_string(tokens_) + ", expected at least the longest length, " + std::to_string(lengths_.back()));
    require_positions(arm, lengths_.back(), where, "extrapolation is measured at length " + std::to_string(lengths_.back()));
  }
  std::optional<Reread> of_trained(const Trained& trained) const override {
    const int64_t longest = lengths_.back(), windows = windows_in(trained, longest, tokens_);
    Reread result;
    std::vector<double> shortest, rise;
    for (const int64_t n : lengths_) {
      const auto losses = window_losses(trained, n, windows * (longest / n));
      if (!losses) return std::nullopt;
      const std::string name = "loss@" + std::to_string(n);
      std::vector<double>& means = result.windows[name];
      for (int64_t w = 0; w < windows; ++w) means.push_back(mean_of(*losses, w * longest, longest));
      result.values.emplace_back(name, mean_of(*losses, 0, int64_t(losses->size())));
      if (n == lengths_.front()) shortest = means;
    }
    if (lengths_.size() < 2) return result;
    rise = result.windows["loss@" + std::to_string(longest)];
    for (size_t w = 0; w < rise.size(); ++w) rise[w] -= shortest[w];
    result.values.emplace_back("rise", result.values.back().second - result.values.front().second);
    result.windows["rise"] = std::move(rise);
    return result;
  }

 private:
  std::vector<int64_t> lengths_ = {64, 256, 1024, 4096};
  int64_t tokens_ = 65536;
};

}  // namespace

std::shared_ptr<Measure> make_extrapolation() { return std::make_shared<Extrapolation>(); }

}  // namespace adder::studies
