// loss@P: nats a token over the positions of a stretch up to P, from the edge before it on; position 1 has one token before
// the one it tells. A stretch is as long as the last edge and begins from an empty state. gain: the loss up to the first
// edge minus that up to the last: what the context is worth.
#include "framework/core/error.h"
#include "framework/studies/measures/window_losses.h"

namespace adder::studies {
namespace {

class Positions : public Measure {
 public:
  When when() const override { return When::reread; }
  std::vector<std::string> values(const Config&) const override {
    std::vector<std::string> names;
    for (const int64_t edge : edges_) names.push_back("loss@" + std::to_string(edge));
    if (edges_.size() > 1) names.push_back("gain");
    return names;
  }
  std::string unit(const std::string& value) const override { return value == "gain" ? "nats" : "nats a token"; }
  void fields(Fields& f) override {
    f("edges", edges_, "last positions of the buckets, rising; the last is the stretch's length", size_range());
    f("tokens", tokens_, "scored, at the most", count_range(1));
  }
  int64_t window(const Config&) const override { return edges_.back(); }
  int64_t tokens_needed() const override { return edges_.back() + 1; }
  void check(const Config& arm, const std::string& where) const override {
    require_one_text(arm, where, "positions");
    require_rising(edges_, where + ": positions.edges");
    if (tokens_ < edges_.back())
      throw UsageError(where + ": positions.tokens is " + std::to_string(tokens_) + ", expected at least the last edge, " + std::to_string(edges_.back()));
    require_positions(arm, edges_.back(), where, "the loss by position is measured up to " + std::to_string(edges_.back()));
  }
  std::optional<Reread> of_trained(const Trained& trained) const override {
    const int64_t length = edges_.back(), windows = windows_in(trained, length, tokens_);
    const auto losses = window_losses(trained, length, windows);
    if (!losses) return std::nullopt;
    Reread result;
    int64_t from = 0;
    for (const int64_t edge : edges_) {
      std::vector<double> means;
      for (int64_t w = 0; w < windows; ++w) means.push_back(mean_of(*losses, w * length + from, edge - from));
      add(result, "loss@" + std::to_string(edge), std::move(means));
      from = edge;
    }
    if (edges_.size() < 2) return result;
    std::vector<double> gain = result.windows["loss@" + std::to_string(edges_.front())];
    const std::vector<double>& last = result.windows["loss@" + std::to_string(length)];
    for (size_t w = 0; w < gain.size(); ++w) gain[w] -= last[w];
    add(result, "gain", std::move(gain));
    return result;
  }

 private:
  static void add(Reread& result, const std::string& name, std::vector<double> windows) {
    result.values.emplace_back(name, mean_of(windows, 0, int64_t(windows.size())));
    result.windows[name] = std::move(windows);
  }
  std::vector<int64_t> edges_ = {16, 64, 256, 1024};
  int64_t tokens_ = 65536;
};

}  // namespace

std::shared_ptr<Measure> make_positions() { return std::make_shared<Positions>(); }

}  // namespace adder::studies
