#include "framework/report/run_curves.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "framework/config/json.h"
#include "framework/core/error.h"
#include "framework/training/durable_file.h"

namespace adder::report {
namespace {

using Kind = JsonValue::Kind;

void take(const JsonValue& line, std::map<std::string, size_t>& places, RunCurves& run) {
  const JsonValue* step = line.find("step");
  if (!step || !step->is(Kind::integer)) throw UnreadableError(line.place.text() + ": expected an object with a \"step\"");
  run.last_step = std::max(run.last_step, step->integer);
  for (const JsonValue& item : line.items) {
    if (item.key == "step" || item.is(Kind::array)) continue;  // a list is a histogram: adder probe --health draws those
    const auto [place, fresh] = places.emplace(item.key, run.curves.size());
    if (fresh) run.curves.push_back({item.key, {}, {}});
    Curve& curve = run.curves[place->second];
    curve.steps.push_back(double(step->integer)), curve.values.push_back(number_of(item));
  }
}

}  // namespace

const Curve* RunCurves::find(const std::string& name) const {
  for (const Curve& curve : curves)
    if (curve.name == name) return &curve;
  return nullptr;
}

RunCurves read_curves(const std::string& path) {
  const std::string text = read_text_file(path);
  RunCurves run;
  std::map<std::string, size_t> places;
  int64_t number = 0;
  for (size_t start = 0; start < text.size();) {
    const size_t end = text.find('\n', start);
    if (end == std::string::npos) {
      run.half_written = true;
      break;
    }
    const std::string where = path + ", line " + std::to_string(++number);
    try {
      take(parse_json(text.substr(start, end - start), where), places, run);
    } catch (const UsageError& problem) {
      throw UnreadableError(problem.what());
    }
    start = end + 1;
  }
  return run;
}

Curve thinned(const Curve& curve, size_t most) {
  const size_t n = curve.values.size(), stretches = std::max<size_t>(1, most / 2);
  if (n <= most) return curve;
  Curve thin{curve.name, {}, {}};
  const auto keep = [&](size_t i) { thin.steps.push_back(curve.steps[i]), thin.values.push_back(curve.values[i]); };
  for (size_t s = 0; s < stretches; ++s) {
    const size_t first = s * n / stretches, past = (s + 1) * n / stretches;
    size_t low = first, high = first;
    for (size_t i = first; i < past; ++i) {
      if (!(curve.values[i] >= curve.values[low])) low = i;  // what is no number counts as the least: it must not go lost
      if (curve.values[i] > curve.values[high]) high = i;
    }
    keep(std::min(low, high));
    if (low != high) keep(std::max(low, high));
  }
  return thin;
}

}  // namespace adder::report
