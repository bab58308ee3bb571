// adder probe --curse-of-memory: no model, the recurrence h_t = lambda h_{t-1} + x_t alone.
#pragma once
#include <string>

namespace adder {

// Prints the table, or one JSON document; with a folder, which is there, also a page, its figure and the JSON there.
int probe_curse_of_memory(const std::string& folder, bool json);

}  // namespace adder
