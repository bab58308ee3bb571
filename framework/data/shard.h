// Token shards: files of token ids, mapped into memory and read where they lie. Three formats, little-endian:
//
//   adder     bytes 0..511   magic (8) | version u32 | header bytes u32 | total bytes u64 | bytes a token u32
//                            | 0 u32 | tokens u64 | documents u64 | bytes of the tokenizer u64
//                            | XXH3-64 of bytes 512.. u64 | the tokenizer's hash, 16 digits | …
//                            | a line of text at 128 | … | XXH3-64 of bytes 0..503 at 504
//             the tokenizer's JSON | tokens | where documents start, u64 each; every part filled up with zeros to
//             a multiple of 8. A token has 1, 2 or 4 bytes.
//   nanogpt   u16 tokens and nothing else; named *.bin
//   llmc      256 int32: 20240520, 1, tokens, 0 … and u16 tokens; or 20240801, 7, tokens, 0 … and u32 tokens
//
// The foreign formats hold no tokenizer: the JSON of one may stand beside a.bin as a.bin.tokenizer.json.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "framework/data/text.h"
#include "framework/data/tokenizer.h"

namespace adder {

enum class ShardFormat { adder, nanogpt, llmc };
const char* name(ShardFormat format);
inline constexpr uint32_t kShardVersion = 1;
inline constexpr uint64_t kShardHeaderBytes = 512, kLlmcHeaderBytes = 1024;
inline constexpr int32_t kLlmcMagic16 = 20240520, kLlmcMagic32 = 20240801;
inline constexpr int32_t kLlmcVersion16 = 1, kLlmcVersion32 = 7;

// The first 512 bytes of our own format.
struct ShardHeader {
  uint64_t total = 0;  // bytes of the file
  uint32_t width = 0;  // bytes a token
  uint64_t tokens = 0, documents = 0;
  uint64_t tokenizer_bytes = 0;  // of its JSON
  uint64_t checksum = 0;
  std::string tokenizer_hash;

  // Where the parts begin; `end` is the size that the file must have. An overflow is an UnreadableError.
  struct Parts { uint64_t tokens, starts, end; };
  Parts parts(const std::string& path) const;
};
using ShardHeaderBytes = std::array<uint8_t, kShardHeaderBytes>;
ShardHeaderBytes encode(const ShardHeader& header);

class Shard {
 public:
  // Which format a file has; none: it is text. *.bin is nanogpt's unless it begins as one of the others.
  static std::optional<ShardFormat> format_of(const std::string& path);
  // Checks header, sizes and documents, not each token. UnreadableError: what is not as it has to be.
  explicit Shard(const std::string& path);

  const std::string& path() const { return path_; }
  ShardFormat format() const { return format_; }
  int width() const { return width_; }      // bytes a token
  int64_t size() const { return size_; }    // tokens
  const void* tokens() const { return tokens_; }
  std::span<const uint64_t> document_starts() const { return starts_; }  // increasing; foreign: {0}
  TokenizerPtr tokenizer() const { return tokenizer_; }                  // null: none is known
  std::optional<uint64_t> checksum() const { return checksum_; }         // none: the format has none

  // Reads it all: the checksum holds, and every id is below `vocabulary`. UnreadableError.
  void verify(int64_t vocabulary) const;

 private:
  void open_adder();
  void open_nanogpt();
  void open_llmc();
  void complete_foreign();  // one document; the tokenizer beside it
  void check_starts(uint64_t tokens) const;
  [[noreturn]] void fail(const std::string& what) const;

  std::string path_;
  MappedFile file_;
  ShardFormat format_;
  int width_ = 0;
  int64_t size_ = 0;
  const uint8_t* tokens_ = nullptr;
  std::span<const uint64_t> starts_;
  TokenizerPtr tokenizer_;
  std::optional<uint64_t> checksum_;
};
using ShardPtr = std::shared_ptr<const Shard>;

// <path>.tokenizer.json
std::string tokenizer_beside(const std::string& path);

}  // namespace adder
