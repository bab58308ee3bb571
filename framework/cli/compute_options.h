// --threads and --device: options of every command that computes.
#pragma once
#include <memory>
#include <string>

namespace CLI {
class App;
}

namespace adder {

struct ComputeOptions {
  int threads = 0;     // 0: one a core
  std::string device;  // "": the config's, cpu unless it says otherwise
  // Sets the threads. UsageError: a value out of range, or a device that is not there.
  void apply() const;
};

void declare_compute(CLI::App& app, ComputeOptions& options);

// ADDER_SIMD names a target that this machine has, or it's a UsageError.
void check_simd();

}  // namespace adder
