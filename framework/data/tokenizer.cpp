#include "framework/data/tokenizer.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "framework/core/error.h"
#include "framework/data/hash.h"
#include "framework/data/text.h"
#include "framework/data/utf8.h"

namespace adder {
namespace {

constexpr char32_t kCodePoints = 0x110000;
constexpr std::string_view kIds = "ids:";

class ByteTokenizer : public Tokenizer {
 public:
  using Tokenizer::decode;
  std::string name() const override { return "byte"; }
  int64_t vocabulary() const override { return 256; }
  int64_t bytes_of(int32_t) const override { return 1; }
  std::string to_json() const override { return R"({"tokenizer":"byte"})"; }
  std::vector<int32_t> encode(std::string_view text) const override {
    std::vector<int32_t> ids(text.size());
    for (size_t i = 0; i < text.size(); ++i) ids[i] = uint8_t(text[i]);
    return ids;
  }
  std::string decode(std::span<const int32_t> ids) const override {
    std::string text;
    for (const int32_t id : ids) text += char(checked(id));
    return text;
  }
};

[[noreturn]] void refuse_utf8(const std::string& where, size_t offset, std::string_view rest) {
  char byte[8];
  std::snprintf(byte, sizeof byte, "0x%02X", unsigned(uint8_t(rest[0])));
  throw UnreadableError(where + "no UTF-8 at byte " + std::to_string(offset) + " (" + byte +
                        "); convert the text (iconv -t UTF-8), or use the tokenizer \"byte\"");
}

// f(code point, byte offset) for each character.
template <class F>
void for_each_character(std::string_view text, const std::string& where, F f) {
  for (size_t at = 0; at < text.size();) {
    const Utf8 next = read_utf8(text.substr(at));
    if (next.status != Utf8::complete) refuse_utf8(where, at, text.substr(at));
    f(next.value, at);
    at += size_t(next.length);
  }
}

class CharTokenizer : public Tokenizer {
 public:
  using Tokenizer::decode;
  explicit CharTokenizer(const std::vector<char32_t>& characters) : ids_(characters.back() + 1, -1) {
    for (const char32_t c : characters) {
      ids_[c] = int32_t(characters_.size());
      append_utf8(characters_.emplace_back(), c);
    }
  }
  std::string name() const override { return "char"; }
  int64_t vocabulary() const override { return int64_t(characters_.size()); }
  int64_t bytes_of(int32_t id) const override { return int64_t(characters_[size_t(checked(id))].size()); }
  std::string to_json() const override {
    const std::string all = std::accumulate(characters_.begin(), characters_.end(), std::string());
    return nlohmann::ordered_json{{"tokenizer", "char"}, {"characters", all}}.dump();
  }
  std::vector<int32_t> encode(std::string_view text) const override {
    std::vector<int32_t> ids;
    ids.reserve(text.size());
    for_each_character(text, "", [&](char32_t c, size_t at) {
      if (c >= ids_.size() || ids_[c] < 0)
        throw UnreadableError(
            "character " + describe_character(c) + " at byte " + std::to_string(at) +
            " is none of the tokenizer's " + std::to_string(vocabulary()) +
            "; leave it out, or train with a text that has it or with the tokenizer \"byte\"");
      ids.push_back(ids_[c]);
    });
    return ids;
  }
  std::string decode(std::span<const int32_t> ids) const override {
    std::string text;
    for (const int32_t id : ids) text += characters_[size_t(checked(id))];
    return text;
  }

 private:
  std::vector<std::string> characters_;  // by id, UTF-8
  std::vector<int32_t> ids_;             // by code point, -1 where unknown
};

constexpr int64_t kMostIds = int64_t{1} << 24;  // as of any size of a model

class IdsTokenizer : public Tokenizer {
 public:
  using Tokenizer::decode;
  explicit IdsTokenizer(int64_t vocabulary) : vocabulary_(vocabulary) {}
  std::string name() const override { return "ids"; }
  int64_t vocabulary() const override { return vocabulary_; }
  int64_t bytes_of(int32_t) const override { return 0; }
  std::string to_json() const override {
    return nlohmann::ordered_json{{"tokenizer", "ids"}, {"vocabulary", vocabulary_}}.dump();
  }
  std::vector<int32_t> encode(std::string_view text) const override {
    constexpr const char* kBlanks = " \t\r\n";
    std::vector<int32_t> ids;
    for (size_t at = text.find_first_not_of(kBlanks); at < text.size();) {
      const size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
      int64_t id = -1;
      const auto read = std::from_chars(text.data() + at, text.data() + end, id);
      if (read.ec != std::errc() || read.ptr != text.data() + end || id < 0 || id >= vocabulary_)
        throw UnreadableError("byte " + std::to_string(at) + ": found \"" +
                              std::string(text.substr(at, std::min<size_t>(end - at, 20))) +
                              "\", expected an id from 0 to " + std::to_string(vocabulary_ - 1) +
                              ": the tokenizer \"ids\" reads numbers between blanks");
      ids.push_back(int32_t(id));
      at = text.find_first_not_of(kBlanks, end);
    }
    return ids;
  }
  std::string decode(std::span<const int32_t> ids) const override {
    std::string text;
    for (const int32_t id : ids) text += " " + std::to_string(checked(id));
    return text;
  }

 private:
  int64_t vocabulary_;
};

TokenizerPtr ids_from_json(const nlohmann::json& json, const std::string& where) {
  const auto found = json.find("vocabulary");
  const bool good = found != json.end() && found->is_number_integer() && *found >= 1 && *found <= kMostIds;
  if (!good)
    throw UnreadableError(where + ": tokenizer \"ids\" without its \"vocabulary\", 1 to " +
                          std::to_string(kMostIds));
  return ids_tokenizer(found->get<int64_t>());
}

TokenizerPtr char_from_json(const nlohmann::json& json, const std::string& where) {
  if (!json.contains("characters") || !json["characters"].is_string())
    throw UnreadableError(where + ": tokenizer \"char\" without its string \"characters\"");
  const std::string all = json["characters"].get<std::string>();
  std::vector<char32_t> characters;
  for_each_character(all, where + ": characters: ", [&](char32_t c, size_t at) {
    if (!characters.empty() && c <= characters.back())
      throw UnreadableError(where + ": characters: " + describe_character(c) + " at byte " +
                            std::to_string(at) +
                            " is not above the one before it, expected code points in increasing order");
    characters.push_back(c);
  });
  if (characters.empty()) throw UnreadableError(where + ": tokenizer \"char\" has no characters");
  return std::make_shared<CharTokenizer>(characters);
}

}  // namespace

int32_t Tokenizer::checked(int32_t id) const {
  if (id < 0 || id >= vocabulary())
    throw Error("[tokenizer " + name() + "] id " + std::to_string(id) + " lies outside the vocabulary of " +
                std::to_string(vocabulary()));
  return id;
}

std::string Tokenizer::hash() const { return hash_hex(to_json()); }

std::string Tokenizer::text() const {
  return "\"" + name() + "\" (" + std::to_string(vocabulary()) + " ids, hash " + hash() + ")";
}

std::shared_ptr<const Tokenizer> Tokenizer::from_json(const std::string& text, const std::string& where) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("tokenizer") || !json["tokenizer"].is_string())
    throw UnreadableError(where + ": no tokenizer, expected JSON such as {\"tokenizer\":\"byte\"}");
  const std::string kind = json["tokenizer"].get<std::string>();
  if (kind == "byte") return byte_tokenizer();
  if (kind == "char") return char_from_json(json, where);
  if (kind == "ids") return ids_from_json(json, where);
  throw UnreadableError(where + ": tokenizer \"" + kind + "\", expected \"byte\", \"char\" or \"ids\"");
}

TokenizerPtr byte_tokenizer() { return std::make_shared<ByteTokenizer>(); }

TokenizerPtr ids_tokenizer(int64_t vocabulary) {
  if (vocabulary < 1 || vocabulary > kMostIds)
    throw UsageError("tokenizer \"ids\": " + std::to_string(vocabulary) + " ids, expected 1 to " +
                     std::to_string(kMostIds));
  return std::make_shared<IdsTokenizer>(vocabulary);
}

TokenizerPtr char_tokenizer(std::span<const Text> texts) {
  std::vector<bool> seen(kCodePoints, false);
  for (const Text& text : texts)
    for (const TextPiece& piece : text.pieces()) {
      const std::string where = piece.file.empty() ? "" : piece.file + ": ";
      for_each_character(piece.text, where, [&](char32_t c, size_t) { seen[c] = true; });
    }
  std::vector<char32_t> characters;
  for (char32_t c = 0; c < kCodePoints; ++c)
    if (seen[c]) characters.push_back(c);
  if (characters.empty())
    throw UnreadableError("tokenizer \"char\": the text is empty, expected some characters");
  return std::make_shared<CharTokenizer>(characters);
}

TokenizerPtr load_tokenizer(const std::string& path, const std::string& key) {
  std::error_code ignored;
  std::ifstream file;
  if (std::filesystem::is_regular_file(path, ignored)) file.open(path, std::ios::binary);
  std::ostringstream text;
  if (file.is_open()) text << file.rdbuf();
  if (!file.is_open() || !file)
    throw UnreadableError(key + ": " + path +
                          ": no such file; expected \"byte\", \"char\", \"ids:V\" (V ids without text) or the path "
                          "of a tokenizer's JSON");
  return Tokenizer::from_json(text.str(), path);
}

TokenizerPtr make_tokenizer(const std::string& spec, std::span<const Text> texts, const std::string& key) {
  if (spec == "byte") return byte_tokenizer();
  if (spec == "char") return char_tokenizer(texts);
  if (!spec.starts_with(kIds)) return load_tokenizer(spec, key);
  int64_t vocabulary = 0;
  const char *first = spec.data() + kIds.size(), *end = spec.data() + spec.size();
  const auto read = std::from_chars(first, end, vocabulary);
  if (read.ec != std::errc() || read.ptr != end)
    throw UsageError(key + " is \"" + spec + "\", expected the number of ids after the colon, as in ids:50257");
  return ids_tokenizer(vocabulary);
}

}  // namespace adder
