#include "framework/interop/foreign_format.h"

#include "framework/core/error.h"

namespace adder {

const std::vector<ForeignFormat>& foreign_formats() {
  static const std::vector<ForeignFormat> list = {
      {"mamba", true, {"mamba"}, hf_mamba_layout, hf_mamba_config},
      {"mamba2", true, {"mamba2"}, hf_mamba2_layout, hf_mamba2_config},
      {"gpt2", true, {"attention"}, hf_gpt2_layout, hf_gpt2_config},
      {"llama", true, {"attention"}, hf_llama_layout, hf_llama_config},
      {"torch", false, {"rnn", "lstm", "gru"}, parity_lm_layout, torch_config},
  };
  return list;
}

const ForeignFormat& torch_format() { return foreign_formats().back(); }

// ---- the table --------------------------------------------------------------------------------------------

namespace {
bool repeats(const ForeignRule& rule) { return rule.ours.find("{i}") != std::string::npos; }
}  // namespace

std::string with_number(std::string name, int64_t block) {
  const size_t at = name.find("{i}");
  return at == std::string::npos ? name : name.replace(at, 3, std::to_string(block));
}

std::vector<ForeignRule> expanded(const ForeignLayout& layout) {
  std::vector<ForeignRule> all;
  size_t first = 0, last = layout.rules.size();
  while (first < last && !repeats(layout.rules[first])) all.push_back(layout.rules[first++]);
  while (last > first && !repeats(layout.rules[last - 1])) --last;
  for (int64_t block = 0; block < layout.layers; ++block)
    for (size_t r = first; r < last; ++r) {
      all.push_back(layout.rules[r]);
      all.back().ours = with_number(all.back().ours, block);
      for (SourcePart& part : all.back().parts) part.name = with_number(part.name, block);
    }
  for (size_t r = last; r < layout.rules.size(); ++r) all.push_back(layout.rules[r]);
  return all;
}

// ---- a model of ours --------------------------------------------------------------------------------------

const JsonValue& OwnModel::value(const char* key) const {
  const JsonValue* found = section_.find(key);
  if (!found) throw Error(std::string("[export] the model's config has no key ") + key);
  return *found;
}

double OwnModel::number(const char* key) const {
  const JsonValue& found = value(key);
  return found.is(JsonValue::Kind::integer) ? double(found.integer) : found.number;
}

int64_t OwnModel::extent(const std::string& parameter, size_t axis) const {
  const auto found = shapes_.find(parameter);
  return found == shapes_.end() || axis >= found->second.size() ? 1 : found->second[axis];
}

ForeignJson hugging_face_config(const char* model_type, const char* architecture, const OwnModel& model) {
  return {{"model_type", model_type},         {"architectures", {architecture}},
          {"vocab_size", model.vocabulary()}, {"tie_word_embeddings", model.flag("tie_embeddings")},
          {"bos_token_id", nullptr},          {"eos_token_id", nullptr},
          {"pad_token_id", nullptr},          {"use_cache", true}};
}

}  // namespace adder
