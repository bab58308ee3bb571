// adder probe RUN --health: what the watched steps of a run told, read back from its metrics.jsonl.
#pragma once
#include <string>

namespace adder {

// `out`: a folder for report.html and health.h5; empty: none. UsageError where `path` is no run's folder.
int probe_health(const std::string& path, const std::string& out, bool json);

// RUN/health.h5, made of its metrics.jsonl; nothing where no step was looked into.
void write_run_health(const std::string& run);

}  // namespace adder
