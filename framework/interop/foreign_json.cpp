#include "framework/interop/foreign_json.h"

#include <cstring>
#include <set>
#include <vector>

#include "framework/core/error.h"
#include "framework/interop/safetensors.h"

namespace adder {
namespace {

using nlohmann::json;

constexpr int kDeepest = 64;

std::string with_bare_words_quoted(const std::string& text) {
  std::string result;
  bool in_string = false;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (in_string) {
      const size_t n = c == '\\' && i + 1 < text.size() ? 2 : 1;
      result.append(text, i, n);
      in_string = c != '"';
      i += n;
      continue;
    }
    std::string word;
    for (const char* bare : {"-Infinity", "Infinity", "NaN"})
      if (word.empty() && text.compare(i, std::strlen(bare), bare) == 0) word = bare;
    if (word.empty())
      result += c;
    else
      result += "{\"__float__\":\"" + word + "\"}";
    in_string = c == '"';
    i += word.empty() ? 1 : word.size();
  }
  return result;
}

}  // namespace

json parse_foreign_json(const std::string& text, const std::string& file) {
  std::vector<std::set<std::string>> keys;  // of the objects around the place that is read
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > kDeepest)
      throw UnreadableError(file + ": is nested more than " + std::to_string(kDeepest) + " deep");
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
      throw UnreadableError(file + ": the key " + in_quotes(value.get<std::string>()) +
                            " stands twice in one object");
    return true;
  };
  json result = json::parse(with_bare_words_quoted(text), watch, false);
  if (result.is_discarded()) throw UnreadableError(file + ": is not valid JSON in UTF-8");
  return result;
}

}  // namespace adder
