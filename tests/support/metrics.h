// What a run wrote into its metrics.jsonl.
#pragma once
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/command_line.h"

namespace adder::testing_cli {

inline std::vector<nlohmann::json> metrics_of(const Workspace& work, const std::string& run) {
  std::vector<nlohmann::json> lines;
  std::istringstream text(work.read(run + "/metrics.jsonl"));
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

// (step, training loss)
inline std::vector<std::pair<int64_t, double>> losses(const Workspace& work, const std::string& run) {
  std::vector<std::pair<int64_t, double>> list;
  for (const nlohmann::json& line : metrics_of(work, run))
    if (line.contains("train/loss")) list.emplace_back(line["step"], line["train/loss"]);
  return list;
}

}  // namespace adder::testing_cli
