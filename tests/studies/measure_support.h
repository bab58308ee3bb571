// Measures by name, as a study makes them.
#pragma once
#include <cmath>
#include <memory>
#include <string>

#include "framework/config/tree.h"
#include "framework/studies/measures/measure.h"

namespace adder::studies {

inline std::shared_ptr<Measure> measure(const std::string& name, const std::string& options) {
  for (const MeasureKind& kind : measure_kinds()) {
    if (kind.name != name) continue;
    const auto made = kind.make();
    read_fields(parse_json(options, "options"), "", *made, {key_paths(*made), {}});
    return made;
  }
  return nullptr;
}

inline double value_of(const Values& values, const std::string& name) {
  for (const auto& [found, x] : values)
    if (found == name) return x;
  return NAN;
}

}  // namespace adder::studies
