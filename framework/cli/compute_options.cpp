#include "framework/cli/compute_options.h"

#include <CLI/CLI.hpp>

#include "framework/core/error.h"
#include "kernels/device.h"
#include "kernels/parallel.h"
#include "kernels/simd_target.h"

namespace adder {
namespace {
constexpr int kMostThreads = 1024;
}

void declare_compute(CLI::App& app, ComputeOptions& options) {
  app.add_option("--threads", options.threads, "threads; 0: one a core. No number depends on them")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--device", options.device, "cpu, or cuda where the build has it")->type_name("NAME");
}

void ComputeOptions::apply() const {
  if (threads < 0 || threads > kMostThreads)
    throw UsageError("--threads is " + std::to_string(threads) + ", expected 0 (one a core) to " +
                     std::to_string(kMostThreads));
  if (!device.empty() && device != "cpu" && device != "cuda")
    throw UsageError("--device is \"" + device + "\", expected cpu or cuda");
  if (device == "cuda" && !kernels::available(kernels::Device::cuda))
    throw UsageError("--device cuda is not available in this build or on this machine; use --device cpu");
  kernels::set_threads(threads);
}

void check_simd() {
  try {
    kernels::simd_target();
  } catch (const std::invalid_argument& problem) {
    throw UsageError(std::string("ADDER_SIMD: ") + problem.what());
  }
}

}  // namespace adder
