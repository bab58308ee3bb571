// Every architecture by its name: what the program hands to the framework, which knows none of them.
#pragma once
#include "framework/config/model_config.h"

namespace adder {

const ModelFactory& model_registry();

}  // namespace adder
