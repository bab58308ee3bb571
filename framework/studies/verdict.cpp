#include "framework/studies/verdict.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "framework/studies/distributions.h"

namespace adder::studies {
namespace {

using statistics::Interval;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The effect, its interval at any confidence, and the fewest values that may decide anything.
struct Effect {
  Verdict v;
  std::function<Interval(double confidence)> interval;
  bool exact = false;
};

int64_t successes(const std::vector<double>& x) { return std::count(x.begin(), x.end(), 1.0); }

// The difference of two shares by Newcombe's method 10 (1998): Wilson's intervals, combined.
Interval newcombe(const std::vector<double>& a, const std::vector<double>& b, double confidence) {
  const double p = statistics::mean(a), q = statistics::mean(b);
  const Interval i = statistics::wilson(successes(a), int64_t(a.size()), confidence), j = statistics::wilson(successes(b), int64_t(b.size()), confidence);
  return {p - q - std::hypot(p - i.low, j.high - q), p - q + std::hypot(i.high - p, q - j.low)};
}

struct Pairs {
  std::vector<double> a, b;
};

// Those keys that both arms have.
Pairs paired(const Sample& a, const Sample& b) {
  Pairs pairs;
  for (size_t i = 0; i < a.keys.size(); ++i) {
    const auto at = std::find(b.keys.begin(), b.keys.end(), a.keys[i]);
    if (at == b.keys.end()) continue;
    pairs.a.push_back(a.values[i]), pairs.b.push_back(b.values[size_t(at - b.keys.begin())]);
  }
  return pairs;
}

// ---- the way to an event: what never came may come at any time after ---------------------------------------
// Each interval is taken twice: with the values as low as they may be, and as high. What it decides, no run that went on
// could change.

struct Bounds {
  std::vector<double> low, high;  // by run, or pair
};

Bounds bounds_of(const Sample& s) {
  Bounds b{s.values, s.values};
  b.low.insert(b.low.end(), s.at_least.begin(), s.at_least.end());
  b.high.resize(b.low.size(), kInfinity);
  return b;
}

// NaN where runs that never got there leave it open.
double known(double low, double high) { return low == high ? low : std::numeric_limits<double>::quiet_NaN(); }

Effect of_medians(Effect e, const Bounds& b, const std::string& what) {
  e.v.n = int64_t(b.low.size());
  e.v.effect = known(statistics::median(b.low), statistics::median(b.high));
  e.interval = [b](double c) { return Interval{statistics::median_interval(b.low, c).low, statistics::median_interval(b.high, c).high}; };
  e.v.method = "order statistics: the median " + what;
  return e;
}

struct Event {
  double low, high;
};

std::map<int64_t, Event> events_of(const Sample& s) {
  std::map<int64_t, Event> list;
  for (size_t i = 0; i < s.keys.size(); ++i) list[s.keys[i]] = {s.values[i], s.values[i]};
  for (size_t i = 0; i < s.at_least.size(); ++i) list[s.waiting_keys[i]] = {s.at_least[i], kInfinity};
  return list;
}

Effect of_two_events(Effect e, const Sample& a, const Sample& b, bool ratio) {
  const std::map<int64_t, Event> first = events_of(a), second = events_of(b);
  Bounds x, y, differences;
  for (const auto& [key, p] : first) {
    const auto at = second.find(key);
    if (at == second.end()) continue;
    const Event& q = at->second;
    x.low.push_back(p.low), x.high.push_back(p.high), y.low.push_back(q.low), y.high.push_back(q.high);
    differences.low.push_back(p.low - q.high), differences.high.push_back(p.high - q.low);
    const int64_t never = (p.low < p.high) + (q.low < q.high);
    e.v.never += never;
    if (!never) e.v.each.push_back(ratio ? p.low / q.low : p.low - q.low);
  }
  if (x.low.empty()) return e;
  if (!ratio) return of_medians(std::move(e), differences, "of the pairs' differences");
  e.v.n = int64_t(x.low.size());
  e.v.effect = known(statistics::median(x.low) / statistics::median(y.high), statistics::median(x.high) / statistics::median(y.low));
  e.interval = [x, y](double c) {
    return Interval{statistics::ratio_bootstrap(x.low, y.high, c, 4000).low, statistics::ratio_bootstrap(x.high, y.low, c, 4000).high};
  };
  e.v.method = "bootstrap over pairs of the ratio of medians";
  return e;
}

Effect range_of(Effect e, const std::string& what) {
  e.exact = true;
  e.v.effect = statistics::mean(e.v.each);
  const auto [low, high] = std::minmax_element(e.v.each.begin(), e.v.each.end());
  e.interval = [low = *low, high = *high](double) { return Interval{low, high}; };
  e.v.method = "range of " + what + " that no seed draws";
  return e;
}

Effect of_one(const Sample& s, const Reading& reading) {
  Effect e;
  e.v.each = s.values, e.v.n = int64_t(s.values.size()), e.v.failed = s.failed, e.v.never = int64_t(s.at_least.size());
  if (s.empty()) return e;
  if (reading.waiting) return of_medians(std::move(e), bounds_of(s), "over runs");
  if (reading.exact) return range_of(std::move(e), "values");
  e.v.effect = statistics::mean(s.values);
  if (reading.yes_or_no) {
    e.interval = [x = s.values](double c) { return statistics::wilson(successes(x), int64_t(x.size()), c); };
    e.v.method = "Wilson";
  } else {
    e.interval = [x = s.values](double c) { return statistics::t_interval(x, c); };
    e.v.method = "Student's t";
  }
  return e;
}

Effect of_two(const Sample& a, const Sample& b, const Reading& reading, bool ratio) {
  Effect e;
  e.v.failed = a.failed + b.failed;
  if (reading.waiting) return of_two_events(std::move(e), a, b, ratio);
  const Pairs p = paired(a, b);
  e.v.n = int64_t(p.a.size());
  if (p.a.empty()) return e;
  for (size_t i = 0; i < p.a.size(); ++i) e.v.each.push_back(ratio ? p.a[i] / p.b[i] : p.a[i] - p.b[i]);
  std::vector<double> none;  // a difference, or the logarithm of a ratio: 0 where there is none
  for (const double d : e.v.each) none.push_back(ratio ? std::log(d) : d);
  e.v.sign_flip = statistics::sign_flip_test(none);
  if (reading.exact) return range_of(std::move(e), "pairs");
  if (ratio) {
    e.v.effect = statistics::median(p.a) / statistics::median(p.b);
    e.interval = [p](double c) { return statistics::ratio_bootstrap(p.a, p.b, c, 4000); };
    e.v.method = "bootstrap over pairs of the ratio of medians";
  } else if (reading.yes_or_no) {
    e.v.effect = statistics::mean(e.v.each);
    e.interval = [p](double c) { return newcombe(p.a, p.b, c); };
    e.v.method = "Newcombe";
  } else {
    e.v.effect = statistics::mean(e.v.each);
    e.interval = [d = e.v.each](double c) { return statistics::t_interval(d, c); };
    e.v.method = "Student's t over pairs";
  }
  return e;
}

Answer answer_of(const Interval& i, const ClaimConfig& claim) {
  if (i.low >= claim.low() && i.high <= claim.high()) return Answer::supported;
  if (i.low > claim.high() || i.high < claim.low()) return Answer::refuted;
  return Answer::undecided;
}

// The least level at which the interval decides, by bisection; intervals widen with the confidence.
double level_of(const Effect& e, const ClaimConfig& claim) {
  if (!e.interval) return 1;
  const auto decides = [&](double alpha) { return answer_of(e.interval(1 - alpha), claim) != Answer::undecided; };
  double low = std::log(1e-6), high = std::log(0.999);
  if (e.exact) return decides(0.5) ? 0 : 1;
  if (!decides(std::exp(high))) return 1;
  if (decides(std::exp(low))) return std::exp(low);
  for (int i = 0; i < 16; ++i) {
    const double middle = (low + high) / 2;
    (decides(std::exp(middle)) ? high : low) = middle;
  }
  return std::exp(high);
}

// What a difference as it was seen needs; shares by the same rule on zeros and ones.
int64_t needed_by(const Effect& e, const ClaimConfig& claim, double alpha) {
  if (e.v.each.size() < 2 || e.exact || e.v.never) return 0;
  int64_t most = statistics::seeds_for_sign_flip(alpha, 1);
  for (const double bound : {claim.low(), claim.high()}) {
    if (!std::isfinite(bound)) continue;
    const int64_t n = statistics::seeds_to_decide(e.v.each, bound, 1 - alpha);
    if (n == 0) return 0;
    most = std::max(most, n);
  }
  return most;
}

void settle(Effect& e, const ClaimConfig& claim, double alpha, bool blocked) {
  Verdict& v = e.v;
  v.confidence = 1 - alpha;
  if (!e.interval) {
    v.why = v.failed ? "no run has a value: " + std::to_string(v.failed) + " failed" : "nothing was measured yet";
    return;
  }
  const Interval i = e.interval(v.confidence);
  v.low = i.low, v.high = i.high;
  const int64_t fewest = e.exact ? 1 : statistics::seeds_for_sign_flip(alpha, 1);
  const Answer answer = answer_of(i, claim);
  if (v.failed) v.why = std::to_string(v.failed) + " runs have no value (they diverged, or had none)";
  else if (v.n < fewest) v.why = std::to_string(v.n) + " pairs or runs can't decide at this level, " + std::to_string(fewest) + " could";
  else if (answer == Answer::undecided)
    v.why = "the interval reaches across the bound" +
            (v.never ? ", with what " + std::to_string(v.never) + " runs that never got there may have taken" : std::string());
  else if (blocked) v.why = "a claim of the same study with a smaller p is undecided (Holm)";
  else v.answer = answer;
  if (v.answer == Answer::undecided) v.needed = needed_by(e, claim, alpha);
}

}  // namespace

std::string name(Answer answer) {
  return answer == Answer::supported ? "supported" : answer == Answer::refuted ? "refuted" : "undecided";
}

std::vector<Verdict> decide(const std::vector<ClaimConfig>& claims, const std::vector<Reading>& readings, const Samples& samples,
                            double alpha) {
  const auto of = [&](const std::string& measure, const std::string& arm) {
    const auto m = samples.find(measure);
    if (m == samples.end()) return Sample();
    const auto a = m->second.find(arm);
    return a == m->second.end() ? Sample() : a->second;
  };
  std::vector<Effect> effects;
  for (size_t i = 0; i < claims.size(); ++i) {
    const ClaimConfig& c = claims[i];
    const Sample first = of(c.measure, c.arms[0]);
    effects.push_back(c.paired() ? of_two(first, of(c.measure, c.arms[1]), readings[i], c.compare == "ratio") : of_one(first, readings[i]));
    effects.back().v.p = level_of(effects.back(), c);
  }
  std::vector<size_t> order, drawn;
  for (size_t i = 0; i < claims.size(); ++i)
    if (effects[i].exact) settle(effects[i], claims[i], alpha, false);
    else drawn.push_back(i);
  std::stable_sort(drawn.begin(), drawn.end(), [&](size_t a, size_t b) { return effects[a].v.p < effects[b].v.p; });
  bool blocked = false;
  for (size_t k = 0; k < drawn.size(); ++k) {
    settle(effects[drawn[k]], claims[drawn[k]], alpha / double(drawn.size() - k), blocked);
    blocked |= effects[drawn[k]].v.answer == Answer::undecided;
  }
  std::vector<Verdict> verdicts;
  for (Effect& e : effects) verdicts.push_back(std::move(e.v));
  return verdicts;
}

Summary summary_of(const Sample& s, const Reading& reading, double confidence) {
  Summary result;
  if (s.empty()) return result;
  const Effect e = of_one(s, reading);
  const Interval i = e.interval(confidence);
  return {e.v.effect, i.low, i.high};
}

}  // namespace adder::studies
