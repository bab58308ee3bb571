// adder probe RUN|CHECKPOINT|CONFIG --step: the next training step, taken apart. Nothing of the run is changed.
#pragma once
#include <string>

#include "framework/cli/probe_source.h"

namespace adder {

struct ProbeStepOptions {
  ProbeSourceOptions source;  // path, best, and of a config its settings
  int64_t products = 20;
  std::string out, command;   // out: a folder for step.json and report.html; empty: none
  bool json = false;
};
int probe_step(const ProbeStepOptions& options, const ModelFactory& factory);

}  // namespace adder
