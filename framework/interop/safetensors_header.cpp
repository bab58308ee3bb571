// The header of a safetensors file: its JSON read event by event, so that a duplicate name or a value out of
// place is seen where a parsed document would hide it.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "framework/core/error.h"
#include "framework/interop/safetensors.h"
#include "framework/interop/safetensors_dtype.h"

namespace adder {
namespace {

using nlohmann::json;

constexpr uint64_t kMostBytes = uint64_t{1} << 62;  // beyond any file; keeps sums and products away from 2^64

class HeaderReader : public nlohmann::json_sax<json> {
 public:
  HeaderReader(const std::string& file, SafetensorsHeader& header) : file_(file), header_(header) {}

  bool start_object(size_t) override {
    if (place_ == Place::start)
      place_ = Place::root;
    else if (place_ != Place::root)
      unexpected("an object");
    else if (name_ == "__metadata__")
      place_ = Place::metadata;
    else {
      place_ = Place::entry;
      header_.entries.emplace_back();
      header_.entries.back().name = name_;
      seen_fields_.clear();
      offsets_.clear();
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::entry) finish_entry();
    place_ = place_ == Place::root ? Place::start : Place::root;
    return true;
  }

  bool key(std::string& text) override {
    if (place_ == Place::root) {
      name_ = text;
      if (!names_.insert(text).second) fail("the name " + in_quotes(text) + " stands twice in the header");
    } else {
      field_ = text;
      if (place_ == Place::metadata) {
        if (!header_.metadata.emplace(text, "").second)
          fail("__metadata__ holds the key " + in_quotes(text) + " twice");
      } else {
        if (text != "dtype" && text != "shape" && text != "data_offsets")
          fail_tensor("unknown key " + in_quotes(text) + ", expected dtype, shape, data_offsets");
        if (!seen_fields_.insert(text).second) fail_tensor(in_quotes(text) + " stands twice");
      }
    }
    return true;
  }

  bool start_array(size_t) override {
    if (place_ != Place::entry || field_ == "dtype") unexpected("an array");
    place_ = Place::array;
    return true;
  }

  bool end_array() override {
    place_ = Place::entry;
    return true;
  }

  bool string(std::string& text) override {
    if (place_ == Place::metadata)
      header_.metadata[field_] = text;
    else if (place_ == Place::entry && field_ == "dtype")
      header_.entries.back().dtype = text;
    else
      unexpected("a string");
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (place_ != Place::array) unexpected("a number");
    if (value > kMostBytes)
      fail_tensor(in_quotes(field_) + " holds " + std::to_string(value) + ", which is too large");
    if (field_ == "shape") {
      Shape& shape = header_.entries.back().shape;
      if (shape.size() == Shape::kMaxRank)
        fail_tensor("shape has more than " + std::to_string(Shape::kMaxRank) + " axes");
      shape.push_back(int64_t(value));
    } else {
      if (offsets_.size() == 2) fail_tensor("data_offsets holds more than two numbers");
      offsets_.push_back(value);
    }
    return true;
  }

  bool number_integer(int64_t value) override {
    if (place_ != Place::array) unexpected("a number");
    fail_tensor(in_quotes(field_) + " holds " + std::to_string(value) + ", expected no negative number");
  }

  bool number_float(double, const std::string& text) override {
    if (place_ != Place::array) unexpected("a number");
    fail_tensor(in_quotes(field_) + " holds " + text.substr(0, 40) + ", expected whole numbers below 2^62");
  }

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a boolean"); }
  bool binary(json::binary_t&) override { unexpected("binary data"); }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail("the header is not valid JSON in UTF-8 at its byte " + std::to_string(position) +
         "; the file is damaged");
  }

 private:
  enum class Place { start, root, metadata, entry, array };

  void finish_entry() {
    for (const char* field : {"dtype", "shape", "data_offsets"})
      if (!seen_fields_.count(field)) fail_tensor("has no " + in_quotes(field));
    if (offsets_.size() != 2)
      fail_tensor("data_offsets must be two numbers, found " + std::to_string(offsets_.size()));
    header_.entries.back().begin = offsets_[0];
    header_.entries.back().end = offsets_[1];
  }

  [[noreturn]] void fail(const std::string& what) const { throw UnreadableError(file_ + ": " + what); }
  [[noreturn]] void fail_tensor(const std::string& what) const {
    fail("tensor " + in_quotes(name_) + ": " + what);
  }
  [[noreturn]] void unexpected(const std::string& what) const {
    if (place_ == Place::start) fail("the header is " + what + ", expected an object");
    if (place_ == Place::metadata)
      fail("__metadata__ " + in_quotes(field_) + " is " + what + ", expected a string");
    if (place_ == Place::root) fail("tensor " + in_quotes(name_) + " is " + what + ", expected an object");
    const std::string wanted = place_ == Place::array ? "numbers"
                               : field_ == "dtype"    ? "a string"
                                                      : "an array";
    const std::string verb = place_ == Place::array ? " holds " : " is ";
    fail_tensor(in_quotes(field_) + verb + what + ", expected " + wanted);
  }

  const std::string& file_;
  SafetensorsHeader& header_;
  Place place_ = Place::start;
  std::string name_, field_;
  std::set<std::string> names_, seen_fields_;
  std::vector<uint64_t> offsets_;
};

// Bytes of shape × dtype. Zero axes count as one here, so that no partial product can overflow later.
uint64_t bytes_needed(const SafetensorsEntry& entry, int bits, const std::string& where) {
  uint64_t most = 1;
  bool empty = false;
  for (const int64_t extent : entry.shape) {
    empty = empty || extent == 0;
    const uint64_t factor = uint64_t(std::max<int64_t>(extent, 1));
    if (most > kMostBytes / 64 / factor)
      throw UnreadableError(where + "shape " + to_string(entry.shape) + " is too large");
    most *= factor;
  }
  if (empty) return 0;
  if (most * uint64_t(bits) % 8 != 0)
    throw UnreadableError(where + "shape " + to_string(entry.shape) + " of " + entry.dtype +
                          " fills no whole bytes");
  return most * uint64_t(bits) / 8;
}

void check_entry(const SafetensorsEntry& entry, uint64_t data_bytes, const std::string& file) {
  const std::string where = file + ": tensor " + in_quotes(entry.name) + ": ";
  const int bits = safetensors_bits(entry.dtype);
  if (bits == 0)
    throw UnreadableError(where + "dtype " + in_quotes(entry.dtype) + " is unknown, expected one of " +
                          safetensors_dtypes());
  const std::string offsets =
      "data_offsets [" + std::to_string(entry.begin) + ", " + std::to_string(entry.end) + "] ";
  if (entry.begin > entry.end)
    throw UnreadableError(where + offsets + "end before they begin; the file is damaged");
  if (entry.end > data_bytes)
    throw UnreadableError(where + offsets + "lie beyond the file, which holds " + std::to_string(data_bytes) +
                          " bytes of data; the file is truncated or damaged");
  const uint64_t held = entry.end - entry.begin, needed = bytes_needed(entry, bits, where);
  if (held != needed)
    throw UnreadableError(where + offsets + "hold " + std::to_string(held) + " bytes, but shape " +
                          to_string(entry.shape) + " of " + entry.dtype + " needs " + std::to_string(needed) +
                          "; the file is damaged");
}

// The data of all tensors, laid end to end, are the file's data: no overlap, no gap, nothing after.
void check_layout(const std::vector<SafetensorsEntry>& entries, uint64_t data_bytes,
                  const std::string& file) {
  std::vector<const SafetensorsEntry*> order;
  for (const SafetensorsEntry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
  });
  uint64_t at = 0;
  std::string before = "the start";
  for (const SafetensorsEntry* entry : order) {
    if (entry->begin != at)
      throw UnreadableError(
          file + ": tensor " + in_quotes(entry->name) + " begins at data byte " +
          std::to_string(entry->begin) + ", but " + before + " ends at " + std::to_string(at) +
          (entry->begin < at ? ": they overlap" : ": a gap lies between") + "; the file is damaged");
    at = entry->end;
    before = "tensor " + in_quotes(entry->name);
  }
  if (at != data_bytes)
    throw UnreadableError(file + ": the tensors end at data byte " + std::to_string(at) +
                          ", but the file holds " + std::to_string(data_bytes) +
                          " bytes of data; the file is damaged");
}

}  // namespace

SafetensorsHeader parse_safetensors_header(const std::string& text, uint64_t data_bytes,
                                           const std::string& file) {
  SafetensorsHeader header;
  HeaderReader reader(file, header);
  if (text.empty() || text[0] != '{') throw UnreadableError(file + ": the header does not begin with \"{\"");
  json::sax_parse(text, &reader);
  for (const SafetensorsEntry& entry : header.entries) check_entry(entry, data_bytes, file);
  check_layout(header.entries, data_bytes, file);
  return header;
}

std::string in_quotes(const std::string& name) {
  constexpr size_t kMost = 200;
  const std::string shown = name.size() > kMost ? name.substr(0, kMost) + "..." : name;
  return json(shown).dump(-1, ' ', true, json::error_handler_t::replace);
}

}  // namespace adder
