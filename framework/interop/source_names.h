// The names, shapes and orientation that an imported model's tensors had in the folder they came from.
#pragma once
#include <functional>
#include <vector>

#include "framework/training/model_file.h"

namespace adder {

// Turns a parameter of the model (or its gradient), under our name, into what the folder holds: one tensor,
// or several where ours is made of several. UnreadableError where the checkpoint keeps no such names (its
// weights were not imported), or not that parameter's.
std::function<std::vector<NamedTensor>(const NamedTensor& ours)> source_names(const LoadedModel& loaded);

}  // namespace adder
