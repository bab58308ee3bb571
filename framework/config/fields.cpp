#include "framework/config/fields.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "framework/core/error.h"
#include "framework/core/words.h"

namespace adder {

namespace {

std::string text_of(double x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

std::string quoted(const std::string& word) { return dump(JsonValue(word)); }

}  // namespace

Range at_least(double low) { return {.low = low}; }
Range size_range(double low) { return {.low = low, .cap = 1 << 24}; }
Range count_range(double low) { return {.low = low, .cap = 2147483647.0}; }
Range above(double low) { return {.low = low, .low_open = true}; }
Range between(double low, double high) { return {.low = low, .high = high}; }
Range half_open(double low, double high) { return {.low = low, .high = high, .high_open = true}; }

bool Range::contains(double x) const {
  return (low_open ? x > low : x >= low) && (high_open ? x < high : x <= high);
}

std::string Range::text() const {
  const bool has_low = std::isfinite(low), has_high = std::isfinite(high);
  if (has_low && has_high && !low_open && !high_open)
    return " between " + text_of(low) + " and " + text_of(high);
  std::string text;
  if (has_low) text += (low_open ? " above " : " of at least ") + text_of(low);
  if (has_high)
    text += std::string(has_low ? " and" : "") + (high_open ? " below " : " of at most ") + text_of(high);
  return text;
}

std::string Field::expected() const {
  if (std::holds_alternative<int64_t*>(value)) return "an integer" + range.text();
  if (std::holds_alternative<double*>(value)) return "a number" + range.text();
  if (std::holds_alternative<bool*>(value)) return "true or false";
  if (std::holds_alternative<std::vector<std::string>*>(value)) return "a string or a list of strings";
  const bool integers = std::holds_alternative<std::vector<int64_t>*>(value);
  if (integers || std::holds_alternative<std::vector<double>*>(value)) {
    const std::string each = range.text().empty() ? "" : ", each" + range.text();
    return "a list of " + (length ? std::to_string(length) + " " : "") + (integers ? "integers" : "numbers") + each;
  }
  if (allowed.empty()) return "a string";
  std::string text = "one of ";
  for (size_t i = 0; i < allowed.size(); ++i) text += (i ? ", " : "") + quoted(allowed[i]);
  return text;
}

namespace {

template <class T>
JsonValue list_of(const std::vector<T>& values) {
  JsonValue list = JsonValue::array();
  for (const T& x : values) list.push(x);
  return list;
}

}  // namespace

JsonValue Field::current() const {
  if (auto* const* strings = std::get_if<std::vector<std::string>*>(&value)) {
    if ((*strings)->size() == 1) return (*strings)->front();
    return list_of(**strings);
  }
  if (auto* const* integers = std::get_if<std::vector<int64_t>*>(&value)) return list_of(**integers);
  if (auto* const* numbers = std::get_if<std::vector<double>*>(&value)) return list_of(**numbers);
  if (auto* const* v = std::get_if<int64_t*>(&value)) return **v;
  if (auto* const* v = std::get_if<double*>(&value)) return **v;
  if (auto* const* v = std::get_if<bool*>(&value)) return **v;
  return *std::get<std::string*>(value);
}

namespace {

class Writer : public Fields {
 public:
  JsonValue object = JsonValue::object();

 protected:
  void visit(const Field& field) override { object.set(field.key, field.current()); }
  void visit_section(const std::string& key, Options& child, const std::string&) override {
    object.set(key, write_fields(child));
  }
  void visit_list(const std::string& key, const std::vector<Options*>& children, const std::string&) override {
    JsonValue list = JsonValue::array();
    for (Options* child : children) list.push(write_fields(*child));
    object.set(key, list);
  }
};

class PathLister : public Fields {
 public:
  explicit PathLister(const std::string& prefix) : prefix_(prefix) {}
  std::vector<std::string> paths;

 protected:
  void visit(const Field& field) override { add(field.key); }
  void visit_section(const std::string& key, Options& child, const std::string&) override {
    add(key);
    for (std::string& path : key_paths(child, prefix_ + key + ".")) paths.push_back(std::move(path));
  }
  void visit_list(const std::string& key, const std::vector<Options*>&, const std::string&) override {
    add(key);
  }

 private:
  void add(const std::string& key) {
    if (std::find(paths.begin(), paths.end(), prefix_ + key) != paths.end())
      throw Error("[config] fields() lists the key " + prefix_ + key + " twice; rename one");
    paths.push_back(prefix_ + key);
  }
  std::string prefix_;
};

std::string joined(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

class Reader : public Fields {
 public:
  Reader(const JsonValue& object, const std::string& path, const KnownKeys& known)
      : object_(object), path_(path), known_(known) {}

 protected:
  void visit(const Field& field) override {
    const JsonValue* given = object_.find(field.key);
    if (!given) return;
    std::visit([&](auto* target) { read(field, *given, *target); }, field.value);
  }
  void visit_section(const std::string& key, Options& child, const std::string&) override {
    if (const JsonValue* given = object_.find(key)) read_fields(*given, joined(path_, key), child, known_);
  }
  void visit_list(const std::string& key, const std::vector<Options*>& children, const std::string&) override {
    const JsonValue* given = object_.find(key);
    if (!given) return;
    if (!given->is(Kind::array) || given->items.size() != children.size())
      throw Error("[config] " + joined(path_, key) + " has not the items that were made for it");
    for (size_t i = 0; i < children.size(); ++i)
      read_fields(given->items[i], joined(path_, key) + "[" + std::to_string(i) + "]", *children[i], known_);
  }

 private:
  using Kind = JsonValue::Kind;

  [[noreturn]] void refuse(const Field& field, const JsonValue& given, const std::string& hint = "") const {
    throw UsageError(given.place.text() + ": " + joined(path_, field.key) + ": expected " + field.expected() +
                     ", found " + given.found() + hint);
  }

  void read(const Field& field, const JsonValue& given, int64_t& target) const {
    if (given.is(Kind::number) && given.number == std::floor(given.number) && std::abs(given.number) < 1e15)
      refuse(field, given, "; write " + std::to_string(int64_t(given.number)));
    if (!given.is(Kind::integer) || !field.range.contains(double(given.integer))) refuse(field, given);
    if (double(given.integer) > field.range.cap) refuse(field, given, "; the most is " + std::to_string(int64_t(field.range.cap)));
    target = given.integer;
  }

  void read(const Field& field, const JsonValue& given, double& target) const {
    const double x = given.is(Kind::integer) ? double(given.integer) : given.number;
    if ((!given.is(Kind::integer) && !given.is(Kind::number)) || !field.range.contains(x))
      refuse(field, given);
    target = x;
  }

  void read(const Field& field, const JsonValue& given, bool& target) const {
    if (!given.is(Kind::boolean)) refuse(field, given);
    target = given.boolean;
  }

  // On the command line `--set name=12` means the string "12".
  static const std::string* string_of(const JsonValue& given) {
    if (given.is(Kind::string)) return &given.string;
    const bool scalar = !given.is(Kind::array) && !given.is(Kind::object);
    return scalar && !given.raw.empty() ? &given.raw : nullptr;
  }

  void read(const Field& field, const JsonValue& given, std::string& target) const {
    const std::string* text = string_of(given);
    if (!text) refuse(field, given);
    const auto refused = field.refused.find(*text);
    if (refused != field.refused.end())
      throw UsageError(given.place.text() + ": " + joined(path_, field.key) + ": " + quoted(*text) + " is " +
                       refused->second);
    const bool listed = std::find(field.allowed.begin(), field.allowed.end(), *text) != field.allowed.end();
    if (!field.allowed.empty() && !listed) {
      const std::string near = nearest(*text, field.allowed);
      refuse(field, given, near.empty() ? "" : "; did you mean " + quoted(near) + "?");
    }
    target = *text;
  }

  void read(const Field& field, const JsonValue& given, std::vector<std::string>& target) const {
    std::vector<std::string> strings;
    if (const std::string* text = string_of(given))
      strings.push_back(*text);
    else if (!given.is(Kind::array))
      refuse(field, given);
    for (const JsonValue& item : given.items) {
      if (!item.is(Kind::string)) refuse(field, item, " in the list");
      strings.push_back(item.string);
    }
    target = strings;
  }

  void read(const Field& field, const JsonValue& given, std::vector<int64_t>& target) const {
    if (!given.is(Kind::array)) refuse(field, given);
    std::vector<int64_t> integers;
    for (const JsonValue& item : given.items) {
      if (!item.is(Kind::integer) || !field.range.contains(double(item.integer))) refuse(field, item, " in the list");
      if (double(item.integer) > field.range.cap)
        refuse(field, item, " in the list; the most is " + std::to_string(int64_t(field.range.cap)));
      integers.push_back(item.integer);
    }
    target = integers;
  }

  void read(const Field& field, const JsonValue& given, std::vector<double>& target) const {
    if (!given.is(Kind::array)) refuse(field, given);
    if (field.length && given.items.size() != field.length)
      refuse(field, given, " of " + std::to_string(given.items.size()));
    std::vector<double> numbers;
    for (const JsonValue& item : given.items) {
      const double x = item.is(Kind::integer) ? double(item.integer) : item.number;
      if ((!item.is(Kind::integer) && !item.is(Kind::number)) || !field.range.contains(x))
        refuse(field, item, " in the list");
      numbers.push_back(x);
    }
    target = numbers;
  }

  const JsonValue& object_;
  const std::string& path_;
  const KnownKeys& known_;
};

// The end of a message about an unknown key: the nearest name in this section and the same name in others,
// else all of this section's names.
std::string advice(const JsonValue& member, const std::string& path, Options& options,
                   const KnownKeys& known) {
  std::vector<std::string> here;
  const JsonValue listed = write_fields(options);
  for (const JsonValue& item : listed.items) here.push_back(item.key);
  const std::string near = nearest(member.key, here);
  std::string meant = near.empty() ? "" : joined(path, near);
  for (const std::string& other : known.paths)
    if (other.ends_with("." + member.key) || other == member.key)
      meant += (meant.empty() ? "" : " or ") + other;
  if (!meant.empty()) return "; did you mean " + meant + "?";
  return "; known keys " + (path.empty() ? "here" : "of " + path) + ": " + adder::listed(here);
}

}  // namespace

JsonValue write_fields(Options& options) {
  Writer writer;
  options.fields(writer);
  return writer.object;
}

std::vector<std::string> key_paths(Options& options, const std::string& prefix) {
  PathLister lister(prefix);
  options.fields(lister);
  return lister.paths;
}

void read_fields(const JsonValue& object, const std::string& path, Options& options, const KnownKeys& known) {
  if (!object.is(JsonValue::Kind::object))
    throw UsageError(object.place.text() + ": " + (path.empty() ? "the config" : path) +
                     ": expected an object { … }, found " + object.found());
  const JsonValue listed = write_fields(options);
  for (const JsonValue& member : object.items) {
    if (listed.find(member.key)) continue;
    const std::string full = joined(path, member.key);
    const auto reason = known.elsewhere.find(full);
    if (reason != known.elsewhere.end())
      throw UsageError(member.key_place.text() + ": " + full + " " + reason->second);
    throw UsageError(member.key_place.text() + ": unknown key " + full +
                     advice(member, path, options, known));
  }
  Reader reader(object, path, known);
  options.fields(reader);
}

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  // Edit distance with insertion, deletion, substitution and the swap of two neighbours.
  auto distance = [](const std::string& a, const std::string& b) {
    std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
    for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    for (size_t i = 1; i <= a.size(); ++i)
      for (size_t j = 1; j <= b.size(); ++j) {
        d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
          d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    return d[a.size()][b.size()];
  };
  std::string best;
  size_t least = std::max<size_t>(word.size() / 3, 1) + 1;
  if (word.size() > 200) return best;
  for (const std::string& candidate : candidates) {
    const size_t far = distance(word, candidate);
    if (far < least) least = far, best = candidate;
  }
  return best;
}

}  // namespace adder
