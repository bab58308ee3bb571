#include <cmath>
#include <limits>

#include "framework/core/error.h"
#include "framework/interop/foreign_layout.h"

namespace adder {
namespace {

using nlohmann::json;

// A number, or an infinity as {"__float__": "Infinity"} (foreign_json.h); NaN for anything else.
double number_in(const json& value) {
  if (value.is_number()) return value.get<double>();
  if (value == json{{"__float__", "Infinity"}}) return std::numeric_limits<double>::infinity();
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

bool ForeignConfig::has(const std::string& key) const {
  return values_.contains(key) && !values_[key].is_null();
}

void ForeignConfig::fail(const std::string& key, const std::string& expected) const {
  std::string found = "is missing";
  if (has(key)) {
    found = values_[key].dump(-1, ' ', true, json::error_handler_t::replace);
    found = "is " + (found.size() > 100 ? found.substr(0, 100) + "..." : found);
  }
  throw UnreadableError(path_ + ": \"" + inside_ + key + "\" " + found + ", expected " + expected);
}

int64_t ForeignConfig::size(const std::string& key) const {
  constexpr uint64_t kMost = 1 << 20;
  const bool whole = has(key) && values_[key].is_number_unsigned();
  const uint64_t value = whole ? values_[key].get<uint64_t>() : 0;
  if (value < 1 || value > kMost) fail(key, "a whole number from 1 to " + std::to_string(kMost));
  return int64_t(value);
}

double ForeignConfig::positive(const std::string& key, double otherwise) const {
  if (!has(key)) return otherwise;
  const double value = values_[key].is_number() ? values_[key].get<double>() : 0;
  if (!(value > 0) || !std::isfinite(value)) fail(key, "a positive number");
  return value;
}

bool ForeignConfig::flag(const std::string& key, bool otherwise) const {
  if (!has(key)) return otherwise;
  if (!values_[key].is_boolean()) fail(key, "true or false");
  return values_[key].get<bool>();
}

std::string ForeignConfig::text(const std::string& key, const std::string& otherwise) const {
  if (!has(key)) return otherwise;
  if (!is_text(key)) fail(key, "a string");
  return values_[key].get<std::string>();
}

std::pair<double, double> ForeignConfig::range(const std::string& key,
                                               std::pair<double, double> otherwise) const {
  if (!has(key)) return otherwise;
  const json& value = values_[key];
  if (!value.is_array() || value.size() != 2) fail(key, "two numbers");
  const double low = number_in(value[0]);
  // Writers to whom infinity is no number leave null in its place.
  const double high = value[1].is_null() ? std::numeric_limits<double>::infinity() : number_in(value[1]);
  if (!(low >= 0 && low < high)) fail(key, "two numbers from 0 up, the second the larger, or Infinity");
  return {low, high};
}

ForeignConfig ForeignConfig::section(const std::string& key) const {
  if (has(key) && !values_[key].is_object()) fail(key, "an object");
  return ForeignConfig(path_, has(key) ? values_[key] : json::object(), inside_ + key + ".");
}

void ForeignConfig::only(const std::string& key, const json& value) const {
  if (has(key) && values_[key] != value) fail(key, value.is_null() ? "none" : value.dump());
}

}  // namespace adder
