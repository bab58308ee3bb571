#include "framework/cli/cache_option.h"

#include <CLI/CLI.hpp>

#include "framework/core/error.h"

namespace adder {

void declare_cache(CLI::App& app, std::string& cache) {
  app.add_option("--cache", cache,
                 "bf16: attention rounds keys and values to bfloat16, half the bytes to keep and to read a token; default: "
                 "the precision of its other numbers")
      ->type_name("TYPE");
}

void check_cache(const std::string& cache) {
  if (!cache.empty() && cache != "bf16")
    throw UsageError("--cache is \"" + cache + "\", expected bf16; leave it out to keep keys and values as they are");
}

bool bf16_cache(const std::string& cache, Model& model, const std::string& name) {
  check_cache(cache);
  if (cache.empty()) return false;
  if (!model.has_cache())
    throw UsageError(name + ": has no attention, so there are no keys and values that --cache bf16 could round; leave it out");
  if (model.parameters().dtype() != DType::f32)
    throw UsageError(name + ": computes in " + adder::name(model.parameters().dtype()) +
                     ", expected float32 (or bf16) with --cache bf16");
  return true;
}

}  // namespace adder
