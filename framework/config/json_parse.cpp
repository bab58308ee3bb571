// Strict JSON by nlohmann's SAX parser. It reports values without positions; a cursor that follows the same
// text token by token supplies them.
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "framework/config/json.h"
#include "framework/core/error.h"

namespace adder {

namespace {

constexpr size_t kMaxDepth = 64;
constexpr const char* kExample = R"({"data": {"train": "text.txt"}, "model": {"architecture": "mamba"}})";

// Length of the well-formed UTF-8 character at text[i], 0 where there is none (Unicode 15, table 3-7).
size_t utf8_length(const std::string& text, size_t i) {
  auto byte = [&](size_t k) { return k < text.size() ? uint8_t(text[k]) : 0; };
  auto tail = [&](size_t k) { return (byte(k) & 0xC0) == 0x80; };
  const int a = byte(i), b = byte(i + 1);
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a <= 0xDF) return tail(i + 1) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) {
    const bool good = b >= (a == 0xE0 ? 0xA0 : 0x80) && b <= (a == 0xED ? 0x9F : 0xBF);
    return good && tail(i + 2) ? 3 : 0;
  }
  if (a >= 0xF0 && a <= 0xF4) {
    const bool good = b >= (a == 0xF0 ? 0x90 : 0x80) && b <= (a == 0xF4 ? 0x8F : 0xBF);
    return good && tail(i + 2) && tail(i + 3) ? 4 : 0;
  }
  return 0;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Follows the text by tokens, and knows line and column.
class Cursor {
 public:
  Cursor(const std::string& text, const std::string& source) : text_(text), source_(source) {
    if (text.starts_with("\xEF\xBB\xBF")) end_ = counted_ = 3;
  }

  // Start of the token after the last one; past `separator` (if given and there), blanks and comments.
  size_t next(char separator) {
    size_t i = skip(end_);
    separated_ = separator && i < text_.size() && text_[i] == separator;
    return start_ = separated_ ? skip(i + 1) : i;
  }
  bool separated() const { return separated_; }
  void done() { end_ = token_end(start_); }
  bool at_end() const { return start_ >= text_.size(); }
  char head() const { return at_end() ? '\0' : text_[start_]; }
  std::string token() const { return text_.substr(start_, token_end(start_) - start_); }

  Place place(size_t offset) {
    for (; counted_ < offset && counted_ < text_.size(); ++counted_) {
      if (text_[counted_] == '\n')
        ++line_, column_ = 1;
      else if ((text_[counted_] & 0xC0) != 0x80)
        ++column_;
    }
    return {source_, line_, column_};
  }
  Place here() { return place(start_); }
  const std::string& source() const { return source_; }

  // A string that doesn't end, or not on its line.
  bool open_string() const {
    if (head() != '"') return false;
    const size_t end = token_end(start_);
    return end - start_ < 2 || text_[end - 1] != '"' || text_.find('\n', start_) < end;
  }
  // What stands at the start, short enough for a message.
  std::string shown() const {
    if (at_end()) return "the end of the file";
    size_t end = token_end(start_);
    if (end == start_)
      while (end < text_.size() && !std::strchr(" \t\r\n,:]}[{\"", text_[end])) ++end;
    end = std::min(std::max(end, start_ + 1), start_ + 40);
    while (end < text_.size() && (text_[end] & 0xC0) == 0x80) ++end;
    return text_.substr(start_, end - start_);
  }

 private:
  size_t skip(size_t i) const {
    while (i < text_.size()) {
      if (std::strchr(" \t\r\n", text_[i]))
        ++i;
      else if (text_.compare(i, 2, "//") == 0)
        i = std::min(text_.find_first_of("\r\n", i), text_.size());
      else if (text_.compare(i, 2, "/*") == 0 && text_.find("*/", i + 2) != std::string::npos)
        i = text_.find("*/", i + 2) + 2;
      else
        break;
    }
    return i;
  }

  size_t token_end(size_t i) const {
    if (i >= text_.size()) return text_.size();
    if (text_[i] == '"') {
      for (++i; i < text_.size() && text_[i] != '"'; ++i)
        if (text_[i] == '\\') ++i;
      return std::min(i + 1, text_.size());
    }
    if (std::strchr("{}[],:", text_[i])) return i + 1;
    for (const char* word : {"true", "false", "null"})
      if (text_.compare(i, std::strlen(word), word) == 0) return i + std::strlen(word);
    return number_end(i);
  }

  size_t number_end(size_t i) const {
    auto at = [&](size_t k) { return k < text_.size() ? text_[k] : '\0'; };
    if (at(i) == '-') ++i;
    if (at(i) == '0')
      ++i;
    else
      while (is_digit(at(i))) ++i;
    if (at(i) == '.') do
        ++i;
      while (is_digit(at(i)));
    if (at(i) == 'e' || at(i) == 'E') {
      if (at(++i) == '+' || at(i) == '-') ++i;
      while (is_digit(at(i))) ++i;
    }
    return i;
  }

  const std::string& text_;
  const std::string& source_;
  size_t start_ = 0, end_ = 0, counted_ = 0;
  int line_ = 1, column_ = 1;
  bool separated_ = false;
};

// nlohmann's SAX handler. A member's path is known while it is read, so that messages name it.
class TreeBuilder {
 public:
  using Json = nlohmann::json;
  using Kind = JsonValue::Kind;

  TreeBuilder(const std::string& text, const std::string& source) : cursor_(text, source) {}

  bool null() { return value(JsonValue()); }
  bool boolean(bool v) { return value(JsonValue(v)); }
  bool number_integer(int64_t v) { return value(JsonValue(v)); }
  bool number_unsigned(uint64_t v) {
    if (v > uint64_t(INT64_MAX)) refuse_integer();
    return value(JsonValue(int64_t(v)));
  }
  bool number_float(double v, const std::string& digits) {
    if (digits.find_first_of(".eE") == std::string::npos) refuse_integer();
    const std::string mantissa = digits.substr(0, digits.find_first_of("eE"));
    if (v == 0 && mantissa.find_first_of("123456789") != std::string::npos) {
      find_token();
      fail("number " + digits + " is too small for a double; write 0 or a larger one");
    }
    return value(JsonValue(v));
  }
  bool string(std::string& v) { return value(JsonValue(v)); }
  bool binary(Json::binary_t&) { return false; }
  bool start_object(size_t) { return open(JsonValue::object()); }
  bool end_object() { return close(); }
  bool start_array(size_t) { return open(JsonValue::array()); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    find_token();
    if (const JsonValue* first = stack_.back().find(name)) {
      key_ = name;
      throw UsageError(cursor_.here().text() + ": " + path() + " is given twice (first on line " +
                       std::to_string(first->key_place.line) + "); remove one");
    }
    key_ = name;
    key_place_ = cursor_.here();
    after_key_ = true;
    cursor_.done();
    return true;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) {
    find_token();
    if (error.id == 406)
      fail("number " + cursor_.token() + " is too large for a double; write a smaller one");
    if (cursor_.at_end()) refuse_end();
    const std::string what = error.what();
    if (cursor_.open_string())
      fail("the string that starts here is not closed on its line; end it with a double quote");
    if (cursor_.separated() && !after_key_ && (cursor_.head() == '}' || cursor_.head() == ']'))
      fail(std::string("a comma stands before '") + cursor_.head() + "'; remove the comma");
    const size_t reason = what.find(" - ") + 3, reason_end = what.find("; last read");
    const bool lexical = what.find("invalid literal") == std::string::npos && reason_end != std::string::npos;
    if (lexical) fail(what.substr(reason, reason_end - reason) + ", found " + cursor_.shown());
    fail("expected " + expected() + ", found " + cursor_.shown());
  }

  JsonValue take() { return std::move(root_); }

 private:
  void find_token() { cursor_.next(after_key_ ? ':' : separator_allowed() ? ',' : '\0'); }
  bool separator_allowed() const { return !stack_.empty() && !stack_.back().items.empty(); }

  bool value(JsonValue v) {
    find_token();
    v.place = cursor_.here();
    attach(std::move(v));
    cursor_.done();
    return true;
  }

  bool open(JsonValue container) {
    find_token();
    if (stack_.size() == kMaxDepth) fail("lists and objects are nested deeper than 64; flatten them");
    container.place = cursor_.here();
    if (!stack_.empty() && stack_.back().is(Kind::object)) {
      container.key = key_;
      container.key_place = key_place_;
    }
    after_key_ = false;
    stack_.push_back(std::move(container));
    cursor_.done();
    return true;
  }

  bool close() {
    find_token();
    JsonValue done = std::move(stack_.back());
    stack_.pop_back();
    key_ = done.key;
    key_place_ = done.key_place;
    attach(std::move(done));
    cursor_.done();
    return true;
  }

  void attach(JsonValue v) {
    after_key_ = false;
    if (stack_.empty()) {
      root_ = std::move(v);
      complete_ = true;
      return;
    }
    if (stack_.back().is(Kind::object)) {
      v.key = key_;
      v.key_place = key_place_;
    }
    stack_.back().items.push_back(std::move(v));
  }

  // "model.blocks[2].name": the keys of the open containers, then the present key or index.
  std::string path() const {
    std::string text;
    for (size_t i = 0; i < stack_.size(); ++i) {
      const bool last = i + 1 == stack_.size();
      if (stack_[i].is(Kind::array))
        text += "[" + std::to_string(stack_[i].items.size()) + "]";
      else
        text += (text.empty() ? "" : ".") + (last ? key_ : stack_[i + 1].key);
    }
    return text;
  }

  std::string expected() const {
    if (after_key_) return cursor_.separated() ? "a value" : "':' after the key";
    if (stack_.empty()) return complete_ ? "nothing after the end of the JSON text" : "an object { … }";
    const bool comma = cursor_.separated(), fresh = stack_.back().items.empty();
    if (stack_.back().is(Kind::object))
      return comma ? "a key in double quotes" : fresh ? "a key in double quotes or '}'" : "',' or '}'";
    return comma ? "a value" : fresh ? "a value or ']'" : "',' or ']'";
  }

  [[noreturn]] void refuse_integer() {
    find_token();
    fail("integer " + cursor_.token() + " does not fit in 64 bits; write one up to 9223372036854775807");
  }

  [[noreturn]] void refuse_end() {
    if (stack_.empty())
      throw UsageError(cursor_.source() +
                       ": the file is empty or holds only comments; expected a config such as " + kExample);
    const JsonValue& inner = stack_.back();
    const std::string what = inner.is(Kind::object) ? "'{'" : "'['";
    throw UsageError(cursor_.here().text() + ": the file ends early (cut short?): " + what + " of line " +
                     std::to_string(inner.place.line) + " is not closed");
  }

  [[noreturn]] void fail(const std::string& what) {
    const std::string where = after_key_ ? path() + ": " : "";
    throw UsageError(cursor_.here().text() + ": " + where + what);
  }

  Cursor cursor_;
  std::vector<JsonValue> stack_;  // the open containers
  std::string key_;
  Place key_place_;
  bool after_key_ = false, complete_ = false;
  JsonValue root_;
};

}  // namespace

JsonValue parse_json(const std::string& text, const std::string& source) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text, i);
    const bool control = length == 1 && uint8_t(text[i]) < 0x20 && !std::strchr("\t\n\r", text[i]);
    if (length == 0 || text[i] == '\0' || control)
      throw UsageError(Cursor(text, source).place(i).text() + ": byte " + std::to_string(uint8_t(text[i])) +
                       (length == 0 ? " is not valid UTF-8" : " is a control character") +
                       "; expected JSON text, saved as UTF-8");
    i += length;
  }
  TreeBuilder builder(text, source);
  nlohmann::json::sax_parse(text, &builder, nlohmann::json::input_format_t::json, true, true);
  return builder.take();
}

}  // namespace adder
