// --cache bf16: attention's keys and values in half of the bytes.
#pragma once
#include <string>

#include "framework/nn/model.h"

namespace CLI {
class App;
}

namespace adder {

void declare_cache(CLI::App& app, std::string& cache);
void check_cache(const std::string& cache);  // a UsageError where it is neither empty nor "bf16"

// Whether `cache` asks for bfloat16. A UsageError as check_cache's, and where `model`, which messages call `name`, has no cache or
// does not compute in float32.
bool bf16_cache(const std::string& cache, Model& model, const std::string& name);

}  // namespace adder
