// JSON lines: one object a line, one of whose members is the text of a document.
#pragma once
#include <string>
#include <vector>

#include "framework/data/text.h"

namespace adder {

// `lines`: a file's whole text; `name`: the file, for messages ("a.jsonl:3" names a document, too). The last line
// may lack its end. UnreadableError for a line that is no JSON object, or lacks a string under `member`.
std::vector<Text::Document> read_jsonl(const std::string& lines, const std::string& name, const std::string& member);

}  // namespace adder
