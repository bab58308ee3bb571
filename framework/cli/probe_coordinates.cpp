#include "framework/cli/probe_coordinates.h"

#include <algorithm>
#include <cmath>

#include "framework/cli/output.h"
#include "framework/cli/version.h"
#include "framework/core/error.h"

namespace adder {
namespace {

JsonValue to_json(const lab::CoordinateFit& fit) {
  JsonValue entry = JsonValue::object(), sizes = JsonValue::array();
  entry.set("place", fit.place);
  entry.set("of", fit.change ? "change" : "size");
  entry.set("step", fit.step);
  entry.set("slope", fit.slope);
  entry.set("low", fit.low);
  entry.set("high", fit.high);
  entry.set("judged", fit.judged);
  entry.set("within", fit.within());
  for (const auto& of_width : fit.sizes) sizes.push(JsonValue::array(of_width));
  entry.set("sizes", std::move(sizes));
  return entry;
}

std::string parametrisation(const ModelConfig& m) {
  return m.parametrisation == "mup" ? "mup, base width " + std::to_string(m.base_width) : m.parametrisation;
}

}  // namespace

void require_coordinates(const ProbeSourceOptions& source, const lab::CoordinateOptions& o) {
  if (!source.path.ends_with(".json"))
    throw UsageError("--coordinates trains models of several widths, so it needs a config, CONFIG.json; " + source.path +
                     " is a run or a checkpoint, of one width");
  if (o.widths.size() < 2) throw UsageError("--widths names " + std::to_string(o.widths.size()) + " width, expected at least 2 for a slope");
  for (size_t i = 0; i < o.widths.size(); ++i)
    if (o.widths[i] < 1 || (i > 0 && o.widths[i] <= o.widths[i - 1]))
      throw UsageError("--widths has " + std::to_string(o.widths[i]) + " at place " + std::to_string(i + 1) +
                       ", expected widths above 0, each above the one before it");
  if (o.seeds < 1) throw UsageError("--seeds is " + std::to_string(o.seeds) + ", expected at least 1");
  if (o.steps < 1) throw UsageError("--steps is " + std::to_string(o.steps) + ", expected at least 1: at the start alone no update is seen");
}

lab::Coordinates coordinates_of(const ProbeSource& source, const ModelFactory& factory, const lab::CoordinateOptions& options) {
  if (const std::string& from = source.config.initialize.from; !from.empty())
    throw UsageError("initialize.from is " + from + ", weights of one width; --coordinates starts models of several: remove the key");
  Batch batch;
  batch.ids = source.ids, batch.labels = source.labels;
  return lab::check_coordinates(source.config, factory, source.vocabulary, batch, options);
}

std::vector<std::pair<std::string, std::string>> coordinate_facts(const ProbeSource& source) {
  const Config& c = source.config;
  return {{"config", c.source + ", " + source.architecture}, {"parametrisation", parametrisation(c.model)},
          {"optimizer", c.optimizer.name + ", learning rate " + significant(c.optimizer.learning_rate, 3)},
          {"text", source.text}, {"program", version_line()}};
}

JsonValue to_json(const lab::Coordinates& coordinates, const ProbeSource& source, const std::string& command) {
  JsonValue result = JsonValue::object(), fits = JsonValue::array();
  for (const auto& [name, value] : coordinate_facts(source)) result.set(name, value);
  result.set("command", command);
  result.set("widths", JsonValue::array(coordinates.options.widths));
  result.set("seeds", coordinates.options.seeds);
  result.set("steps", coordinates.options.steps);
  result.set("bound", lab::kSlopeBound);
  result.set("passed", coordinates.passed());
  result.set("verdict", lab::headline(coordinates));
  for (const lab::CoordinateFit& fit : coordinates.fits) fits.push(to_json(fit));
  result.set("fits", std::move(fits));
  return result;
}

void print_text(const lab::Coordinates& coordinates, const ProbeSource& source) {
  print(aligned(coordinate_facts(source)));
  std::vector<std::string> heads = {"place", "of", "step"};
  for (const int64_t width : coordinates.options.widths) heads.push_back(std::to_string(width));
  heads.insert(heads.end(), {"slope", "95 % interval", "verdict"});
  std::vector<std::vector<std::string>> rows;
  for (const lab::CoordinateFit& fit : coordinates.fits) {
    if (!fit.judged) continue;
    rows.push_back({fit.place, fit.change ? "change" : "size", std::to_string(fit.step)});
    for (size_t w = 0; w < coordinates.options.widths.size(); ++w) rows.back().push_back(significant(fit.mean(w), 3));
    rows.back().insert(rows.back().end(), {decimals(fit.slope, 3), std::isnan(fit.low) ? "—" : "[" + decimals(fit.low, 3) + ", " + decimals(fit.high, 3) + "]",
                                           fit.within() ? "pass" : "fail"});
  }
  print("\nMean |coordinate| by d_model, and the slope of its logarithm over the width's\n" + table(heads, rows, 2));
  print("\n" + lab::headline(coordinates) + "\n");
}

}  // namespace adder
