#include "framework/config/json.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "framework/config/fields.h"
#include "framework/core/error.h"

namespace adder {

namespace fs = std::filesystem;

std::string Place::text() const {
  if (line == 0) return source;
  return source + ":" + std::to_string(line) + ":" + std::to_string(column);
}

const JsonValue* JsonValue::find(const std::string& member) const {
  if (kind != Kind::object) return nullptr;
  for (const JsonValue& item : items)
    if (item.key == member) return &item;
  return nullptr;
}

JsonValue* JsonValue::find(const std::string& member) {
  return const_cast<JsonValue*>(static_cast<const JsonValue*>(this)->find(member));
}

JsonValue& JsonValue::set(const std::string& member, JsonValue value) {
  value.key = member;
  if (JsonValue* present = find(member)) return *present = std::move(value);
  items.push_back(std::move(value));
  return items.back();
}

void JsonValue::erase(const std::string& member) {
  std::erase_if(items, [&](const JsonValue& item) { return item.key == member; });
}

std::string JsonValue::found() const {
  switch (kind) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return boolean ? "true" : "false";
    case Kind::integer:
      return "integer " + dump(*this);
    case Kind::number:
      return "number " + dump(*this);
    case Kind::array:
      return "a list";
    case Kind::object:
      return "an object";
    case Kind::string:
      break;
  }
  size_t end = std::min<size_t>(string.size(), 60);
  while (end < string.size() && end > 0 && (string[end] & 0xC0) == 0x80) --end;
  return "string " + dump(JsonValue(string.substr(0, end) + (end < string.size() ? "…" : "")));
}

namespace {

void dump_to(std::string& out, const JsonValue& value, int indent, int depth) {
  using Kind = JsonValue::Kind;
  const bool is_object = value.is(Kind::object);
  switch (value.kind) {
    case Kind::null:
      out += "null";
      return;
    case Kind::boolean:
      out += value.boolean ? "true" : "false";
      return;
    case Kind::integer:
      out += std::to_string(value.integer);
      return;
    case Kind::number:
      if (std::isfinite(value.number))
        out += nlohmann::json(value.number).dump();
      else
        out += std::isnan(value.number) ? "\"nan\"" : value.number > 0 ? "\"inf\"" : "\"-inf\"";
      return;
    case Kind::string:
      out += nlohmann::json(value.string).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      return;
    case Kind::array:
    case Kind::object:
      break;
  }
  bool nested = is_object && !value.items.empty();
  for (const JsonValue& item : value.items) nested |= item.is(Kind::object) || item.is(Kind::array);
  const bool broken = indent >= 0 && nested;
  out += is_object ? '{' : '[';
  for (size_t i = 0; i < value.items.size(); ++i) {
    if (i) out += broken ? "," : ", ";
    if (broken) out += "\n" + std::string(size_t(indent * (depth + 1)), ' ');
    if (is_object) {
      out +=
          nlohmann::json(value.items[i].key).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      out += ": ";
    }
    dump_to(out, value.items[i], indent, depth + 1);
  }
  if (broken) out += "\n" + std::string(size_t(indent * depth), ' ');
  out += is_object ? '}' : ']';
}

}  // namespace

std::string dump(const JsonValue& value, int indent) {
  std::string out;
  dump_to(out, value, indent, 0);
  return out;
}

std::string read_config_text(const std::string& path, const std::string& examples) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    std::vector<std::string> stems;
    const fs::path folder = fs::path(path).parent_path();
    for (const auto& entry : fs::directory_iterator(folder.empty() ? "." : folder, ignored))
      if (entry.path().extension() == ".json") stems.push_back(entry.path().stem().string());
    std::sort(stems.begin(), stems.end());
    const std::string near = nearest(fs::path(path).stem().string(), stems);
    const std::string meant = (folder / (near + ".json")).string();
    throw UsageError(path + ": no such file; " + (near.empty() ? "" : "did you mean " + meant + "? Else ") + examples);
  }
  if (fs::is_directory(path, ignored))
    throw UsageError(path + ": this is a folder; expected a config file, such as configs/mamba_tiny.json");
  std::ifstream file(path, std::ios::binary);
  if (!file) throw UsageError(path + ": cannot be read: " + std::strerror(errno));
  constexpr std::streamsize kLimit = 64 << 20;
  std::string text;
  std::vector<char> chunk(1 << 16);
  while (file.read(chunk.data(), std::streamsize(chunk.size())), file.gcount() > 0) {
    text.append(chunk.data(), size_t(file.gcount()));
    if (std::streamsize(text.size()) > kLimit)
      throw UsageError(path + ": larger than 64 MB; expected a JSON file");
  }
  if (file.bad()) throw UsageError(path + ": cannot be read: " + std::strerror(errno));
  return text;
}

double number_of(const JsonValue& v) {
  if (v.is(JsonValue::Kind::integer)) return double(v.integer);
  if (v.is(JsonValue::Kind::number)) return v.number;
  return v.string == "inf" ? INFINITY : v.string == "-inf" ? -INFINITY : NAN;
}

}  // namespace adder
