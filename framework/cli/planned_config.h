// A config whose model is to be made without training it: what its vocabulary is, and the sizes that come from elsewhere.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "framework/config/config.h"

namespace adder {

struct PlannedOptions {
  std::string config;
  std::vector<std::string> settings;
  int64_t vocabulary = 0;  // 0: as training would find it
};

// --set and --vocabulary; what holds the config is the command's to declare.
void declare_planned(CLI::App& app, PlannedOptions& options);

struct PlannedConfig {
  Config config;  // with the model of initialize.from and the sizes of data.batches
  int64_t vocabulary = 0;
};
// Errors as training's; where the data that tell the vocabulary are not there, the message names --vocabulary.
PlannedConfig load_planned(const PlannedOptions& options, const ModelFactory& factory);

// Ids of the vocabulary as training would find it, but for weights to start from.
int64_t vocabulary_of(const Config& config);

}  // namespace adder
