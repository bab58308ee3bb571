#include "framework/core/error.h"
#include "framework/data/hash.h"
#include "framework/studies/arms.h"

namespace adder::studies {
namespace {

// What of a config its data depend on. A task's examples are drawn from the seed.
std::string key_of(const Config& config) {
  DataConfig data = config.data;
  std::string text = dump(write_fields(data), -1) + std::to_string(config.training.context_length);
  if (config.data.task.given()) text += " " + std::to_string(config.seed) + " " + std::to_string(config.training.batch_size);
  return hash_hex(text);
}

[[noreturn]] void fail() {
  throw UnreadableError("the study's folder doesn't know the data of one of its arms: study.json is not the one that was written with it");
}

}  // namespace

Surroundings::Surroundings(const ModelFactory& factory, const JsonValue& found) : factory(factory) {
  vocabulary_ = [](const Config&) -> int64_t { fail(); };
  data_hash_ = [](const Config&) -> std::string { fail(); };
  tokens_ = [](const Config&) -> int64_t { fail(); };
  if (const JsonValue* list = found.find("vocabulary"))
    for (const JsonValue& item : list->items) vocabularies_[item.key] = item.integer;
  if (const JsonValue* list = found.find("data"))
    for (const JsonValue& item : list->items) hashes_[item.key] = item.string;
  if (const JsonValue* list = found.find("tokens"))
    for (const JsonValue& item : list->items) token_counts_[item.key] = item.integer;
}

int64_t Surroundings::vocabulary(const Config& config) const {
  const std::string key = key_of(config);
  const auto known = vocabularies_.find(key);
  return known != vocabularies_.end() ? known->second : vocabularies_[key] = vocabulary_(config);
}

std::string Surroundings::data_hash(const Config& config) const {
  const std::string key = key_of(config);
  const auto known = hashes_.find(key);
  return known != hashes_.end() ? known->second : hashes_[key] = data_hash_(config);
}

int64_t Surroundings::tokens(const Config& config) const {
  const std::string key = key_of(config);
  const auto known = token_counts_.find(key);
  return known != token_counts_.end() ? known->second : token_counts_[key] = tokens_(config);
}

JsonValue Surroundings::found() const {
  JsonValue all = JsonValue::object(), vocabulary = JsonValue::object(), data = JsonValue::object(), tokens = JsonValue::object();
  for (const auto& [key, value] : vocabularies_) vocabulary.set(key, value);
  for (const auto& [key, value] : hashes_) data.set(key, value);
  all.set("vocabulary", std::move(vocabulary)), all.set("data", std::move(data));
  for (const auto& [key, value] : token_counts_) tokens.set(key, value);
  if (!token_counts_.empty()) all.set("tokens", std::move(tokens));
  return all;
}

}  // namespace adder::studies
