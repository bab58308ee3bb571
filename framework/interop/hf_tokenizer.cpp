#include "framework/interop/hf_tokenizer.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "framework/core/error.h"
#include "framework/data/utf8.h"
#include "framework/interop/foreign_json.h"
#include "framework/training/durable_file.h"

namespace adder {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// GPT-2's alphabet: a byte that prints stands for itself, the others for the code points from U+0100 on, in
// order.
std::string letter_of(int byte) {
  const auto prints = [](int b) { return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174; };
  char32_t code = char32_t(byte);
  if (!prints(byte)) {
    code = 0x100;
    for (int b = 0; b < byte; ++b) code += prints(b) ? 0 : 1;
  }
  std::string text;
  append_utf8(text, code);
  return text;
}

ordered_json document() {
  return {{"version", "1.0"},          {"truncation", nullptr},
          {"padding", nullptr},        {"added_tokens", json::array()},
          {"normalizer", nullptr},     {"pre_tokenizer", nullptr},
          {"post_processor", nullptr}, {"decoder", nullptr}};
}

ordered_json of_bytes() {
  const ordered_json bytes = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  ordered_json result = document(), vocabulary = ordered_json::object();
  for (int byte = 0; byte < 256; ++byte) vocabulary[letter_of(byte)] = byte;
  result["pre_tokenizer"] = result["decoder"] = bytes;
  result["model"] = {{"type", "BPE"},
                     {"dropout", nullptr},
                     {"unk_token", nullptr},
                     {"continuing_subword_prefix", nullptr},
                     {"end_of_word_suffix", nullptr},
                     {"fuse_unk", false},
                     {"byte_fallback", false},
                     {"ignore_merges", false},
                     {"vocab", vocabulary},
                     {"merges", json::array()}};
  return result;
}

// A text is split into its characters. One that is not in the vocabulary is an error, as it is with us: there
// is no token by the name of unk_token.
ordered_json of_characters(const Tokenizer& tokenizer) {
  ordered_json result = document(), vocabulary = ordered_json::object();
  for (int32_t id = 0; id < tokenizer.vocabulary(); ++id) vocabulary[tokenizer.decode(id)] = id;
  result["pre_tokenizer"] = {
      {"type", "Split"}, {"pattern", {{"Regex", "[\\s\\S]"}}}, {"behavior", "Isolated"}, {"invert", false}};
  result["decoder"] = {{"type", "Fuse"}};
  result["model"] = {{"type", "WordLevel"}, {"vocab", vocabulary}, {"unk_token", "<unknown>"}};
  return result;
}

ordered_json described(const Tokenizer& tokenizer) {
  if (tokenizer.name() == "byte") return of_bytes();
  if (tokenizer.name() == "char") return of_characters(tokenizer);
  throw UsageError("the tokenizer \"" + tokenizer.name() +
                   "\" cannot be written as a tokenizer.json, expected \"byte\" or \"char\"");
}

// The words of a vocabulary by id, joined; "" where ids are missing.
std::string joined_words(const json& vocabulary) {
  std::vector<std::string> words(vocabulary.size());
  for (const auto& [word, id] : vocabulary.items())
    if (id.is_number_unsigned() && id.get<uint64_t>() < words.size()) words[id.get<size_t>()] = word;
  std::string all;
  for (const std::string& word : words) all += word;
  return all;
}

TokenizerPtr candidate(const json& document) {
  const json model = document.is_object() ? document.value("model", json()) : json();
  const json vocabulary = model.is_object() ? model.value("vocab", json()) : json();
  if (!vocabulary.is_object()) return nullptr;
  if (model.value("type", json()) == "BPE") return byte_tokenizer();
  try {
    return Tokenizer::from_json(json{{"tokenizer", "char"}, {"characters", joined_words(vocabulary)}}.dump(),
                                "");
  } catch (const UnreadableError&) {
    return nullptr;
  }
}

}  // namespace

std::string hf_tokenizer_json(const Tokenizer& tokenizer) { return described(tokenizer).dump(2) + "\n"; }

std::string hf_tokenizer_config() {
  return ordered_json{{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}}
             .dump(2) +
         "\n";
}

TokenizerPtr read_hf_tokenizer(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "tokenizer.json").string();
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return nullptr;
  constexpr uint64_t kMost = 64 << 20;
  try {
    const json found = parse_foreign_json(read_text_file(path, kMost), path);
    const TokenizerPtr tokenizer = candidate(found);
    return tokenizer && json(described(*tokenizer)) == found ? tokenizer : nullptr;
  } catch (const UnreadableError&) {
    return nullptr;  // nor are other programs' tokenizers
  }
}

}  // namespace adder
