#include "framework/data/jsonl.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "framework/core/error.h"

namespace adder {

std::vector<Text::Document> read_jsonl(const std::string& lines, const std::string& name, const std::string& member) {
  std::vector<Text::Document> documents;
  std::istringstream text(lines);
  int64_t number = 0;
  for (std::string line; std::getline(text, line);) {
    const std::string where = name + ":" + std::to_string(++number);
    const auto object = nlohmann::json::parse(line, nullptr, false);
    if (!object.is_object())
      throw UnreadableError(where + ": is no JSON object, expected one such as {\"" + member + "\": \"…\"} on every line");
    const auto found = object.find(member);
    if (found == object.end() || !found->is_string()) {
      std::string known;
      for (const auto& item : object.items()) known += (known.empty() ? "" : ", ") + item.key();
      throw UnreadableError(where + ": has no string \"" + member + "\"; found the members " +
                            (known.empty() ? "(none)" : known) + "; --key names the one that is the text");
    }
    documents.push_back({where, found->get<std::string>()});
  }
  return documents;
}

}  // namespace adder
