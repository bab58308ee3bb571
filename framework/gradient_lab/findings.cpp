// What a probe found, in words.
#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/gradient_lab/magnitude.h"
#include "framework/gradient_lab/probe.h"

namespace adder::lab {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

std::string at_least_one(double tokens) { return tokens < 1 ? "less than a token" : rounded(tokens) + " tokens"; }

Finding reach(const LagProfile& profile) {
  const std::vector<double> mean = mean_profile(profile.embedding);
  const int64_t lags = int64_t(mean.size()) - 1;
  const std::string what = "reach in time", far = std::to_string(lags);
  if (mean[1] == kNothing)
    return {what, Verdict::vanishing, "the loss of a token feels no token before it: their gradients are exactly 0"};
  const auto peak = std::max_element(mean.begin() + 2, mean.end());
  if (*peak - mean[1] > kExploded)
    return {what, Verdict::exploding, "the embedding " + std::to_string(peak - mean.begin()) + " tokens back weighs " +
                                          shown_power(*peak - mean[1]) + " times what the one before weighs"};
  if (profile.memory.reach < lags)
    return {what, Verdict::vanishing, "beyond " + std::to_string(profile.memory.reach) +
                                          " tokens back nothing reaches the loss: the gradient is exactly 0"};
  const double rest = mean[size_t(lags)] - mean[1];
  if (rest > kVanished)
    return {what, Verdict::healthy,
            "the embedding " + far + " tokens back weighs " + shown_power(rest) + " of the one before"};
  int64_t first = lags;
  while (first > 1 && mean[size_t(first - 1)] - mean[1] <= kVanished) --first;
  return {what, Verdict::vanishing, "the embedding " + far + " tokens back weighs " + shown_power(rest) +
                                        " of the one before; from " + std::to_string(first) +
                                        " on it is below 2^-23, and float32 rounds it away beside the near ones"};
}

// At the token's own place: from the last layer's stream down to the embedding.
std::vector<Finding> depth(const LagProfile& profile) {
  const auto is_layer = [](const std::string& place) { return place.starts_with("layers."); };
  const int64_t layers = std::count_if(profile.places.begin(), profile.places.end(), is_layer);
  if (layers < 2) return {};
  const int64_t probes = profile.stream.dim(1), columns = profile.stream.dim(2);
  const auto own = [&](int64_t place) {
    std::vector<double> logs;
    for (int64_t p = 0; p < probes; ++p) logs.push_back(profile.stream.data<double>()[(place * probes + p) * columns]);
    return log10_mean(logs);
  };
  const double gain = own(0) - own(layers);  // places: embed, layers.0, …
  const std::string text = "from layers." + std::to_string(layers - 1) + " down to the embedding of the same token the gradient is multiplied by " +
                           shown_power(gain);
  return {{"depth", gain < -kDepth ? Verdict::vanishing : gain > kDepth ? Verdict::exploding : Verdict::healthy, text}};
}

Finding of_state(const Spectrum& s) {
  const Lyapunov& l = s.lyapunov;
  const double first = l.exponents[0], growth = s.log_growth();
  const std::string rate = "largest exponent " + rounded(first) + " +- " + rounded(l.errors[0]) + " nats a token: ";
  const std::string kept = shown_power(growth) + " of a difference is left after " + std::to_string(l.steps) + " tokens";
  if (first == kNothing) return {s.block, Verdict::vanishing, "the state forgets all within one token"};
  if (first - 2 * l.errors[0] > 0 && growth > kExploded)
    return {s.block, Verdict::exploding, rate + "states that differ part by a factor of 10 in " +
                                             at_least_one(std::log(10.0) / first) + " (chaos, or growth without bound)"};
  if (growth < kVanished)
    return {s.block, Verdict::vanishing,
            rate + "even the slowest direction loses half in " + at_least_one(std::log(2.0) / -first) + "; " + kept};
  return {s.block, Verdict::healthy, rate + "along the slowest direction " + kept};
}

}  // namespace

std::string name(Verdict verdict) {
  constexpr const char* kNames[] = {"healthy", "vanishing", "exploding", "wrong"};
  return kNames[size_t(verdict)];
}

std::vector<Finding> findings(const LagProfile& profile, const std::vector<Spectrum>& spectra) {
  std::vector<Finding> list = {reach(profile)};
  for (const Finding& finding : depth(profile)) list.push_back(finding);
  for (const Spectrum& spectrum : spectra) list.push_back(of_state(spectrum));
  return list;
}

}  // namespace adder::lab
