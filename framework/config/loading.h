// The steps of parse_config() that have files of their own.
#pragma once
#include <string>
#include <vector>

#include "framework/config/config.h"

namespace adder {

// UsageError at the first of these keys that the user's own file or command gives, else at the first that a base of it does; else
// the file alone says where.
[[noreturn]] void refuse(const Config& config, const std::vector<std::string>& keys, const std::string& what);

// ---- data.task (load_task.cpp) ----------------------------------------------------------------------------

// Gives the config the keys of the task that the tree names, before the tree is read.
void choose_task(const JsonValue& tree, Config& config, const ModelFactory& factory);
// Keys of the other tasks, and why they are not known here.
void note_other_tasks(KnownKeys& known, const Config& config, const ModelFactory& factory);
// After reading: sizes that follow from the task, and UsageErrors for what does not go with it.
void settle_task(Config& config);

}  // namespace adder
