// JSON from strangers: config.json and the index of a sharded model. As json::parse, but a key that stands
// twice in an object is an UnreadableError (a parsed document keeps only the last), and so is nesting beyond
// any use.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace adder {

// `file` is for messages. Python's bare words Infinity, -Infinity and NaN are read as transformers writes
// them today: {"__float__": "Infinity"}.
nlohmann::json parse_foreign_json(const std::string& text, const std::string& file);

}  // namespace adder
