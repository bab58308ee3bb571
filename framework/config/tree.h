// Configs as trees: for what makes many of one (framework/studies).
#pragma once
#include <string>

#include "framework/config/config.h"

namespace adder {

// The config of a tree whose every value knows its place.
Config read_config(JsonValue tree, const std::string& shown_name, const ModelFactory& factory, Use use = Use::train);
// The tree with what it extends below it; `file` is what the path is relative to.
JsonValue with_bases(JsonValue tree, const std::string& file);
// Objects merge key by key; anything else replaces.
void merge(JsonValue& base, const JsonValue& over);
// {"a": {"b": value}} of the path "a.b".
JsonValue nested(const std::string& path, JsonValue value);
// JSON Schema, draft-07, of a file of these keys; a section without keys of its own takes any.
std::string json_schema(Options& options, const std::string& title);

}  // namespace adder
