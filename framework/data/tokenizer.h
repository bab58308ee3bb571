// Text <-> token ids. A tokenizer is immutable, goes into every checkpoint as JSON, and is known by that JSON's
// hash.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace adder {

class Text;

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual std::string name() const = 0;         // "byte", "char", "ids"
  virtual int64_t vocabulary() const = 0;       // ids are 0 … vocabulary() - 1
  // UnreadableError where the text holds what the tokenizer does not know, with code point and byte offset.
  virtual std::vector<int32_t> encode(std::string_view text) const = 0;
  // Any run of ids; the bytes of a stream's parts join to the bytes of the whole. An id out of range is an
  // Error.
  virtual std::string decode(std::span<const int32_t> ids) const = 0;
  // Bytes of text that an id stands for: bits per byte need it. 0 where ids stand for no text.
  virtual int64_t bytes_of(int32_t id) const = 0;
  virtual std::string to_json() const = 0;
  // `where` names the file or checkpoint in errors (UnreadableError).
  static std::shared_ptr<const Tokenizer> from_json(const std::string& json, const std::string& where);

  std::string decode(int32_t id) const { return decode(std::span(&id, 1)); }
  std::string hash() const;  // XXH3 of to_json, 16 hexadecimal digits
  std::string text() const;  // for messages: "char" (65 ids, hash 0123456789abcdef)

 protected:
  int32_t checked(int32_t id) const;
};

using TokenizerPtr = std::shared_ptr<const Tokenizer>;

TokenizerPtr byte_tokenizer();  // 256 ids: an id is a byte
// The sorted code points of all the texts. UnreadableError where one is no UTF-8, with file and byte offset.
TokenizerPtr char_tokenizer(std::span<const Text> texts);
// Ids that stand for no text that is known: " 17 3" is what ids 17 and 3 are written as, and read from.
TokenizerPtr ids_tokenizer(int64_t vocabulary);
// A JSON file that holds what to_json wrote. `key`, here and below: for messages, what named it.
TokenizerPtr load_tokenizer(const std::string& path, const std::string& key = "data.tokenizer");
// data.tokenizer: "byte", "char" (of these texts), "ids:V", or a path. UsageError: "ids:" without a number.
TokenizerPtr make_tokenizer(const std::string& spec, std::span<const Text> texts,
                            const std::string& key = "data.tokenizer");

}  // namespace adder
