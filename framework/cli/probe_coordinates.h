// adder probe CONFIG --coordinates.
#pragma once
#include <string>
#include <vector>

#include "framework/cli/probe_source.h"
#include "framework/gradient_lab/coordinates.h"

namespace adder {

// What the options ask for that a check can't do: UsageError.
void require_coordinates(const ProbeSourceOptions& source, const lab::CoordinateOptions& options);
lab::Coordinates coordinates_of(const ProbeSource& source, const ModelFactory& factory, const lab::CoordinateOptions& options);
std::vector<std::pair<std::string, std::string>> coordinate_facts(const ProbeSource& source);

JsonValue to_json(const lab::Coordinates& coordinates, const ProbeSource& source, const std::string& command);
void print_text(const lab::Coordinates& coordinates, const ProbeSource& source);

}  // namespace adder
