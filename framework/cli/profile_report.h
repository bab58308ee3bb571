// What `adder train --profile` prints: each op's time, and how far it is from the machine's limit.
#pragma once
#include <string>

#include "framework/config/json.h"
#include "framework/measure/machine_peak.h"

namespace adder {

std::string shown(const MachinePeak& peak);  // one line
JsonValue to_json(const MachinePeak& peak);

// One row an op, the slowest first; times a step. A share above 100 % of memory means that caches delivered.
std::string profile_table(const Profile& profile, const MachinePeak& peak);
JsonValue profile_json(const Profile& profile, const MachinePeak& peak);

}  // namespace adder
