#include "framework/data/shard.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bit>
#include <cstring>
#include <filesystem>
#include <limits>

#include "framework/core/error.h"

namespace adder {

static_assert(std::endian::native == std::endian::little, "numbers are read as they lie in memory");

namespace {

// As in PNG: a byte that is no text, the name, and line ends that a transfer in text mode would change.
constexpr uint8_t kMagic[8] = {0x89, 'A', 'D', 'T', 'K', '\r', '\n', 0x1a};
constexpr char kText[] = "Adder token shard: tokenizer, tokens, documents behind a header of 512 bytes\n";
constexpr size_t kVersionAt = 8, kHeaderAt = 12, kTotalAt = 16, kWidthAt = 24, kTokensAt = 32, kDocumentsAt = 40,
                 kTokenizerAt = 48, kChecksumAt = 56, kHashAt = 64, kTextAt = 128, kOwnAt = 504;
constexpr size_t kHashDigits = 16;
constexpr uint64_t kFirstStart[] = {0};  // a foreign file is one document

template <class T>
void put(ShardHeaderBytes& bytes, size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}
template <class T>
T get(const void* bytes, size_t at) {
  T value;
  std::memcpy(&value, static_cast<const uint8_t*>(bytes) + at, sizeof value);
  return value;
}

uint64_t own_checksum(const void* header) { return XXH3_64bits(header, kOwnAt); }

std::string number(uint64_t n) { return std::to_string(n); }

// a + b and a * b, or nothing where that is more than a file can have.
std::optional<uint64_t> sum(std::optional<uint64_t> a, uint64_t b) {
  constexpr uint64_t kMost = uint64_t(std::numeric_limits<int64_t>::max());
  if (!a || *a > kMost || b > kMost - *a) return std::nullopt;
  return *a + b;
}
std::optional<uint64_t> product(uint64_t a, uint64_t b) {
  if (b && a > std::numeric_limits<uint64_t>::max() / b) return std::nullopt;
  return a * b;
}
std::optional<uint64_t> filled_up(std::optional<uint64_t> a) {
  const auto more = sum(a, 7);
  return more ? std::optional(*more / 8 * 8) : std::nullopt;
}

bool has_magic(std::string_view text) {
  return !text.empty() && std::memcmp(text.data(), kMagic, std::min(text.size(), sizeof kMagic)) == 0;
}

// Damage in the magic itself: everything else of the header is as it should be.
bool ours_but_for_the_magic(std::string_view text) {
  if (text.size() < kShardHeaderBytes) return false;
  ShardHeaderBytes header;
  std::memcpy(header.data(), text.data(), header.size());
  std::memcpy(header.data(), kMagic, sizeof kMagic);
  return get<uint64_t>(header.data(), kOwnAt) == own_checksum(header.data());
}

bool begins_as_llmc(std::string_view text) {
  if (text.size() < sizeof(int32_t)) return false;
  const int32_t magic = get<int32_t>(text.data(), 0);
  return magic == kLlmcMagic16 || magic == kLlmcMagic32;
}

template <class T>
int64_t first_beyond(const uint8_t* tokens, int64_t size, int64_t vocabulary) {
  const T* ids = reinterpret_cast<const T*>(tokens);
  for (int64_t i = 0; i < size; ++i)
    if (int64_t(ids[i]) >= vocabulary) return i;
  return -1;
}

}  // namespace

const char* name(ShardFormat format) {
  return format == ShardFormat::adder ? "adder" : format == ShardFormat::nanogpt ? "nanogpt" : "llmc";
}

std::string tokenizer_beside(const std::string& path) { return path + ".tokenizer.json"; }

ShardHeaderBytes encode(const ShardHeader& h) {
  ShardHeaderBytes bytes{};
  std::memcpy(bytes.data(), kMagic, sizeof kMagic);
  put(bytes, kVersionAt, kShardVersion);
  put(bytes, kHeaderAt, uint32_t(kShardHeaderBytes));
  put(bytes, kTotalAt, h.total), put(bytes, kWidthAt, h.width);
  put(bytes, kTokensAt, h.tokens), put(bytes, kDocumentsAt, h.documents);
  put(bytes, kTokenizerAt, h.tokenizer_bytes), put(bytes, kChecksumAt, h.checksum);
  std::memcpy(bytes.data() + kHashAt, h.tokenizer_hash.data(), std::min(h.tokenizer_hash.size(), kHashDigits));
  std::memcpy(bytes.data() + kTextAt, kText, sizeof kText - 1);
  put(bytes, kOwnAt, own_checksum(bytes.data()));
  return bytes;
}

ShardHeader::Parts ShardHeader::parts(const std::string& path) const {
  const auto at_tokens = filled_up(sum(kShardHeaderBytes, tokenizer_bytes));
  const auto token_bytes = product(tokens, width), start_bytes = product(documents, 8);
  const auto at_starts = filled_up(token_bytes ? sum(at_tokens, *token_bytes) : std::nullopt);
  const auto end = start_bytes ? sum(at_starts, *start_bytes) : std::nullopt;
  if (!end)
    throw UnreadableError(path + ": its header promises " + number(tokens) + " tokens of " + number(width) +
                          " bytes, " + number(documents) + " documents and a tokenizer of " +
                          number(tokenizer_bytes) + " bytes, more than a file can hold; it is damaged");
  return {*at_tokens, *at_starts, *end};
}

std::optional<ShardFormat> Shard::format_of(const std::string& path) {
  const MappedFile file(path);
  if (has_magic(file.view()) || ours_but_for_the_magic(file.view())) return ShardFormat::adder;
  if (begins_as_llmc(file.view())) return ShardFormat::llmc;
  if (std::filesystem::path(path).extension() == ".bin") return ShardFormat::nanogpt;
  return std::nullopt;
}

void Shard::fail(const std::string& what) const { throw UnreadableError(path_ + ": " + what); }

Shard::Shard(const std::string& path) : path_(path), file_(path) {
  const auto format = format_of(path);
  if (!format && file_.view().empty()) fail("is empty, expected a token shard");
  if (!format)
    fail("is no token shard (other first bytes); `adder data prepare` writes them; nanoGPT's are named *.bin");
  format_ = *format;
  if (format_ == ShardFormat::adder) open_adder();
  else if (format_ == ShardFormat::llmc) open_llmc();
  else open_nanogpt();
}

// ---- ours -------------------------------------------------------------------------------------------------

void Shard::open_adder() {
  const std::string_view all = file_.view();
  if (all.size() < kShardHeaderBytes)
    fail("is truncated: found " + number(all.size()) + " bytes, expected more than " + number(kShardHeaderBytes));
  if (!has_magic(all) || get<uint64_t>(all.data(), kOwnAt) != own_checksum(all.data()))
    fail("is damaged: the checksum of its header of 512 bytes does not hold; prepare it again");
  const uint32_t version = get<uint32_t>(all.data(), kVersionAt);
  if (version > kShardVersion)
    fail("is a shard of format " + number(version) + ", this adder reads " + number(kShardVersion) +
         "; a newer adder wrote it: update this one");
  ShardHeader h;
  h.total = get<uint64_t>(all.data(), kTotalAt), h.width = get<uint32_t>(all.data(), kWidthAt);
  h.tokens = get<uint64_t>(all.data(), kTokensAt), h.documents = get<uint64_t>(all.data(), kDocumentsAt);
  h.tokenizer_bytes = get<uint64_t>(all.data(), kTokenizerAt);
  h.checksum = get<uint64_t>(all.data(), kChecksumAt);
  h.tokenizer_hash.assign(all.data() + kHashAt, kHashDigits);
  if (h.width != 1 && h.width != 2 && h.width != 4)
    fail("has tokens of " + number(h.width) + " bytes, expected 1, 2 or 4");
  const ShardHeader::Parts parts = h.parts(path_);
  if (parts.end != h.total)
    fail("its parts end at byte " + number(parts.end) + ", but the header says " + number(h.total) + " bytes; it is damaged");
  if (all.size() != h.total)
    fail(std::string(all.size() < h.total ? "is truncated" : "is damaged: something was appended") + ": found " +
         number(all.size()) + " bytes, expected " + number(h.total));
  tokenizer_ = Tokenizer::from_json(std::string(all.substr(kShardHeaderBytes, h.tokenizer_bytes)), path_);
  if (tokenizer_->hash() != h.tokenizer_hash)
    fail("is damaged: its tokenizer is " + tokenizer_->text() + ", the header says hash " + h.tokenizer_hash);
  width_ = int(h.width), size_ = int64_t(h.tokens), checksum_ = h.checksum;
  const auto* bytes = reinterpret_cast<const uint8_t*>(all.data());
  tokens_ = bytes + parts.tokens;
  starts_ = {reinterpret_cast<const uint64_t*>(bytes + parts.starts), size_t(h.documents)};
  check_starts(h.tokens);
}

void Shard::check_starts(uint64_t tokens) const {
  for (size_t i = 0; i < starts_.size(); ++i) {
    if (i > 0 && starts_[i] <= starts_[i - 1])
      fail("document " + number(i) + " starts at token " + number(starts_[i]) + ", not after the one before, " +
           number(starts_[i - 1]));
    if (starts_[i] >= tokens)
      fail("document " + number(i) + " starts at token " + number(starts_[i]) + ", expected less than the " +
           number(tokens) + " tokens");
  }
}

// ---- others' ----------------------------------------------------------------------------------------------

void Shard::open_nanogpt() {
  const std::string_view all = file_.view();
  if (all.size() % 2 != 0)
    fail("has " + number(all.size()) + " bytes, expected an even number: nanoGPT's tokens have 2 bytes each");
  if (all.empty()) fail("is empty, expected nanoGPT's tokens of 2 bytes each");
  tokens_ = reinterpret_cast<const uint8_t*>(all.data());
  width_ = 2, size_ = int64_t(all.size() / 2);
  complete_foreign();
}

void Shard::open_llmc() {
  const std::string_view all = file_.view();
  if (all.size() < kLlmcHeaderBytes)
    fail("is truncated: found " + number(all.size()) + " bytes, expected llm.c's header of " + number(kLlmcHeaderBytes));
  const bool wide = get<int32_t>(all.data(), 0) == kLlmcMagic32;
  const int32_t version = get<int32_t>(all.data(), 4), tokens = get<int32_t>(all.data(), 8);
  const int32_t expected = wide ? kLlmcVersion32 : kLlmcVersion16;
  if (version != expected)
    fail("is llm.c's format of version " + std::to_string(version) + ", expected " + std::to_string(expected));
  if (tokens < 1) fail("its llm.c header says " + std::to_string(tokens) + " tokens, expected 1 or more");
  width_ = wide ? 4 : 2, size_ = tokens;
  const uint64_t total = kLlmcHeaderBytes + uint64_t(tokens) * uint64_t(width_);
  if (all.size() != total)
    fail(std::string(all.size() < total ? "is truncated" : "is damaged: something was appended") + ": found " +
         number(all.size()) + " bytes, expected " + number(total) + " for its " + number(uint64_t(tokens)) + " tokens");
  tokens_ = reinterpret_cast<const uint8_t*>(all.data()) + kLlmcHeaderBytes;
  complete_foreign();
}

void Shard::complete_foreign() {
  starts_ = kFirstStart;
  const std::string beside = tokenizer_beside(path_);
  std::error_code ignored;
  if (std::filesystem::exists(beside, ignored)) tokenizer_ = load_tokenizer(beside);
}

// ---- all of it --------------------------------------------------------------------------------------------

void Shard::verify(int64_t vocabulary) const {
  const std::string_view all = file_.view();
  if (checksum_ && XXH3_64bits(all.data() + kShardHeaderBytes, all.size() - kShardHeaderBytes) != *checksum_)
    fail("is damaged: the checksum of its data does not hold; prepare it again");
  const int64_t bad = width_ == 1   ? first_beyond<uint8_t>(tokens_, size_, vocabulary)
                      : width_ == 2 ? first_beyond<uint16_t>(tokens_, size_, vocabulary)
                                    : first_beyond<uint32_t>(tokens_, size_, vocabulary);
  if (bad < 0) return;
  const uint64_t id = width_ == 1   ? tokens_[bad]
                      : width_ == 2 ? get<uint16_t>(tokens_, size_t(bad) * 2)
                                    : get<uint32_t>(tokens_, size_t(bad) * 4);
  fail("token " + std::to_string(bad) + " is " + number(id) + ", expected 0 to " + std::to_string(vocabulary - 1) +
       "; the tokens were made by another tokenizer, or for another vocabulary");
}

}  // namespace adder
