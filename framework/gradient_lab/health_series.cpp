#include "framework/gradient_lab/health_series.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/gradient_lab/health_findings.h"

namespace adder::lab {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kHealth[] = "health/", kHistogram[] = "health/histogram/";

bool is_value(const Json& v) { return v.is_number() || v == "nan" || v == "inf" || v == "-inf"; }

double value_of(const Json& v) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (v.is_number()) return v.get<double>();
  return v == "inf" ? kInfinity : v == "-inf" ? -kInfinity : std::nan("");
}

// Series by name, filled up to the present step.
template <class T>
class Gathered {
 public:
  Gathered(HealthSeries::Named<T>& list, T none) : list_(list), none_(none) {}
  void put(const std::string& name, size_t step, const T& value) {
    const auto [found, fresh] = index_.try_emplace(name, list_.size());
    if (fresh) list_.emplace_back(name, std::vector<T>());
    std::vector<T>& series = list_[found->second].second;
    series.resize(step, none_);
    series.push_back(value);
  }
  void finish(size_t steps) {
    for (auto& [name, series] : list_) series.resize(steps, none_);
  }

 private:
  HealthSeries::Named<T>& list_;
  T none_;
  std::map<std::string, size_t> index_;
};

bool looked_into(const Json& line) {
  for (const auto& [name, value] : line.items())
    if (name.starts_with(kHealth)) return true;
  return false;
}

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {}

  void take(const Json& line) {
    const size_t at = series.steps.size();
    for (const auto& [name, value] : line.items()) {
      if (name.starts_with(kHistogram)) histograms_.put(name.substr(sizeof kHistogram - 1), at, histogram_of(name, value));
      else if (name != "step" && is_value(value)) values_.put(name, at, value_of(value));
    }
    series.steps.push_back(line["step"]);
  }
  void next_line() { ++number_; }
  [[noreturn]] void fail(const std::string& what) const {
    throw UnreadableError(path_ + ":" + std::to_string(number_) + ": " + what);
  }
  void finish() { values_.finish(series.steps.size()), histograms_.finish(series.steps.size()); }

  HealthSeries series;

 private:
  Histogram histogram_of(const std::string& name, const Json& value) const {
    Histogram h;
    const bool integers = value.is_array() && std::all_of(value.begin(), value.end(), [](const Json& v) { return v.is_number_integer(); });
    if (!integers || !Histogram::unpack(value.get<std::vector<int64_t>>(), h))
      fail(name + " is " + value.dump() + ", expected a power of two and the counts from there on");
    return h;
  }

  const std::string& path_;
  int64_t number_ = 0;
  Gathered<double> values_{series.values, std::nan("")};
  Gathered<Histogram> histograms_{series.histograms, Histogram()};
};

Metrics metrics_at(const HealthSeries& series, size_t i) {
  Metrics metrics;
  for (const auto& [name, values] : series.values)
    if (!std::isnan(values[i])) metrics.emplace_back(name, values[i]);
  return metrics;
}

}  // namespace

const std::vector<double>* HealthSeries::find(const std::string& name) const {
  for (const auto& [known, series] : values)
    if (known == name) return &series;
  return nullptr;
}

double HealthSeries::noise_scale(size_t most) const {
  const auto *squares = find("health/gradient_square"), *traces = find("health/gradient_noise");
  if (!squares || !traces) return std::nan("");
  GradientNoise sum;
  size_t told = 0;
  for (size_t i = squares->size(); i-- > 0 && told < most;)
    if (std::isfinite((*squares)[i]) && std::isfinite((*traces)[i])) sum.square += (*squares)[i], sum.trace += (*traces)[i], ++told;
  return sum.square > 0 ? sum.scale() : std::nan("");
}

HealthSeries read_health(const std::string& path) {
  const std::string text = read_text_file(path);
  Reader reader(path);
  for (size_t start = 0; start < text.size();) {
    const size_t end = text.find('\n', start);
    const Json line = Json::parse(text.substr(start, end - start), nullptr, false);
    reader.next_line();
    start = end == std::string::npos ? text.size() : end + 1;
    if (!line.is_object()) {
      if (end == std::string::npos) break;
      reader.fail("no JSON object, expected a line of metrics");
    }
    if (!looked_into(line)) continue;
    if (!line.contains("step") || !line["step"].is_number_integer()) reader.fail("no \"step\", expected an integer");
    reader.take(line);
  }
  reader.finish();
  if (reader.series.steps.empty())
    throw UnreadableError(path + ": no step was looked into; train with logging.health above 0");
  return std::move(reader.series);
}

std::vector<SeriesFinding> series_findings(const HealthSeries& series) {
  std::vector<SeriesFinding> list;
  const std::vector<double>* loss = series.find("train/loss");
  for (size_t i = 0; i < series.steps.size(); ++i)
    for (const Finding& f : health_findings(series.steps[i], loss ? (*loss)[i] : std::nan(""), std::nan(""), metrics_at(series, i))) {
      const auto same = std::find_if(list.begin(), list.end(), [&](const SeriesFinding& s) {
        return s.finding.what == f.what && s.finding.verdict == f.verdict;
      });
      if (same == list.end()) list.push_back({f, series.steps[i], 1});
      else ++same->steps;
    }
  return list;
}

}  // namespace adder::lab
