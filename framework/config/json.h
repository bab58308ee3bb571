// JSON as configs need it: an ordered tree in which every key and value knows its line and column.
// Strict, but for comments (// and /* */): duplicate keys, numbers out of range, invalid UTF-8, trailing
// commas, text after the end and nesting beyond 64 are errors that say where and what to do.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace adder {

// Where something stands: a file, its line and its column (from 1, in characters; 0: not known).
struct Place {
  std::string source;  // as the user named it: "configs/x.json", "--set seed=1"
  int line = 0, column = 0;
  std::string text() const;  // "configs/x.json:12:5"
};

struct JsonValue {
  enum class Kind { null, boolean, integer, number, string, array, object };
  Kind kind = Kind::null;
  bool boolean = false;
  int64_t integer = 0;
  double number = 0;
  std::string string;
  std::vector<JsonValue> items;  // of an array, or the members of an object, in order
  std::string key;               // of a member
  Place place, key_place;
  std::string raw;  // of an override: what was typed, for targets that want a string

  JsonValue() = default;
  JsonValue(bool v) : kind(Kind::boolean), boolean(v) {}
  JsonValue(int v) : kind(Kind::integer), integer(v) {}
  JsonValue(int64_t v) : kind(Kind::integer), integer(v) {}
  JsonValue(double v) : kind(Kind::number), number(v) {}
  JsonValue(const char* v) : kind(Kind::string), string(v) {}
  JsonValue(std::string v) : kind(Kind::string), string(std::move(v)) {}
  static JsonValue array() { return of(Kind::array); }
  template <class T>
  static JsonValue array(const std::vector<T>& values) {
    JsonValue list = array();
    for (const T& v : values) list.push(v);
    return list;
  }
  static JsonValue object() { return of(Kind::object); }

  bool is(Kind k) const { return kind == k; }
  const JsonValue* find(const std::string& member) const;  // null where there is none
  JsonValue* find(const std::string& member);
  JsonValue& set(const std::string& member, JsonValue value);  // appends, or replaces the value in place
  void erase(const std::string& member);
  void push(JsonValue value) { items.push_back(std::move(value)); }
  std::string found() const;  // for messages: `string "x"`, "integer 3", "a list"

 private:
  static JsonValue of(Kind k) {
    JsonValue v;
    v.kind = k;
    return v;
  }
};

// `source` is what messages call the text. UsageError where the text is not such JSON.
JsonValue parse_json(const std::string& text, const std::string& source);

// The whole file. UsageError where it is missing (with the nearest *.json beside it), a folder or unreadable. `examples`:
// what lists files of its kind.
std::string read_config_text(const std::string& path, const std::string& examples = "example configs: ls configs/*.json");

// JSON text; numbers read back to the same bits, integers stay integers. `indent` < 0 writes one line; lists
// of scalars stay on one line. A number that is not finite is written as a string ("nan", "inf", "-inf").
std::string dump(const JsonValue& value, int indent = 2);
// A number that dump() wrote; NaN for "nan" and for whatever is no number.
double number_of(const JsonValue& value);

}  // namespace adder
