#include "framework/interop/shard_writer.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "framework/core/error.h"
#include "framework/data/hash.h"
#include "framework/training/durable_file.h"

namespace adder {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostFiles = 256;  // that are open at once
constexpr int64_t kLlmcTokens = std::numeric_limits<int32_t>::max();

int width_of(ShardFormat format, const Tokenizer& tokenizer) {
  const int64_t vocabulary = tokenizer.vocabulary();
  const bool narrow = vocabulary <= 65536;
  if (format == ShardFormat::nanogpt && !narrow)
    throw UsageError("--format nanogpt holds ids of 2 bytes, up to 65535, but the tokenizer " + tokenizer.text() +
                     " has more; use adder or llmc");
  if (format == ShardFormat::adder && vocabulary <= 256) return 1;
  return narrow ? 2 : 4;
}

template <class T>
std::vector<uint8_t> packed(std::span<const int32_t> ids) {
  std::vector<uint8_t> bytes(ids.size() * sizeof(T));
  T* to = reinterpret_cast<T*>(bytes.data());
  for (size_t i = 0; i < ids.size(); ++i) to[i] = T(ids[i]);
  return bytes;
}

// stem-00012.ending for 12, or nothing that begins and ends like it.
std::string numbered(const fs::path& path, size_t index) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "-%05zu", index);
  return (path.parent_path() / (path.stem().string() + digits + path.extension().string())).string();
}

bool there(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

// One file while it is written: the body first, the header last.
struct ShardWriter::File {
  DurableFile file;
  uint64_t at = 0;     // bytes so far
  ContentHash hash{};  // of our own format: of what follows the header
  int64_t tokens = 0;
  std::vector<uint64_t> starts{};

  void put(const void* bytes, size_t size) {
    file.write_at(at, bytes, size);
    hash.add(bytes, size);
    at += size;
  }
  void fill_up() {
    constexpr uint8_t kZeros[8] = {};
    put(kZeros, size_t((8 - at % 8) % 8));
  }
};

ShardWriter::ShardWriter(const ShardOutput& output, TokenizerPtr tokenizer)
    : output_(output), tokenizer_(std::move(tokenizer)), width_(width_of(output.format, *tokenizer_)) {
  if (output.tokens_per_file < 0)
    throw UsageError("--shard-tokens is " + std::to_string(output.tokens_per_file) + ", expected 1 or more");
  if (output.format == ShardFormat::llmc && output.tokens_per_file > kLlmcTokens)
    throw UsageError("--shard-tokens is " + std::to_string(output.tokens_per_file) + ", but llm.c's format counts at most " +
                     std::to_string(kLlmcTokens) + " a file");
  if (output.format == ShardFormat::nanogpt && fs::path(output.path).extension() != ".bin")
    throw UsageError(output.path + ": nanoGPT's format has no header, its files are known by the name *.bin");
  if (fs::is_directory(output.path))
    throw UsageError(output.path + ": is a folder, expected the name of a file to write");
  std::vector<std::string> taken = left_over(0);
  if (output.format != ShardFormat::adder && there(tokenizer_beside(path_of(0))))
    taken.push_back(tokenizer_beside(path_of(0)));
  if (!output.overwrite && !taken.empty())
    throw UsageError(taken.front() + ": is there already; --force overwrites it");
}

ShardWriter::~ShardWriter() = default;

std::string ShardWriter::path_of(size_t index) const {
  return output_.tokens_per_file ? numbered(output_.path, index) : output_.path;
}

// Files under names of the output that are no part of one of `count` files.
std::vector<std::string> ShardWriter::left_over(size_t count) const {
  std::vector<std::string> found;
  for (size_t i = count; there(path_of(i)); ++i) {
    found.push_back(path_of(i));
    if (output_.tokens_per_file == 0) break;
  }
  return found;
}

void ShardWriter::begin_file() {
  if (files_.size() == kMostFiles)
    throw UsageError("--shard-tokens " + std::to_string(output_.tokens_per_file) + " makes more than " +
                     std::to_string(kMostFiles) + " files; make it larger");
  const std::string path = path_of(files_.size());
  remove_stale_temporaries(fs::path(path).parent_path().string());
  File& f = *files_.emplace_back(new File{DurableFile(path)});
  f.at = output_.format == ShardFormat::adder ? kShardHeaderBytes : output_.format == ShardFormat::llmc ? kLlmcHeaderBytes : 0;
  if (output_.format != ShardFormat::adder) return;
  const std::string json = tokenizer_->to_json();
  f.put(json.data(), json.size());
  f.fill_up();
}

void ShardWriter::document() { document_due_ = true; }

void ShardWriter::add(std::span<const int32_t> ids) {
  while (!ids.empty()) {
    if (files_.empty() || (output_.tokens_per_file && files_.back()->tokens == output_.tokens_per_file)) begin_file();
    File& f = *files_.back();
    const int64_t most = output_.tokens_per_file ? output_.tokens_per_file : std::numeric_limits<int64_t>::max();
    const auto part = ids.first(size_t(std::min(int64_t(ids.size()), most - f.tokens)));
    ids = ids.subspan(part.size());
    if (document_due_) f.starts.push_back(uint64_t(f.tokens)), ++documents_, document_due_ = false;
    const auto bytes = width_ == 1 ? packed<uint8_t>(part) : width_ == 2 ? packed<uint16_t>(part) : packed<uint32_t>(part);
    f.put(bytes.data(), bytes.size());
    f.tokens += int64_t(part.size()), tokens_ += int64_t(part.size());
    if (output_.format == ShardFormat::llmc && f.tokens > kLlmcTokens)
      throw UsageError("llm.c's format counts at most " + std::to_string(kLlmcTokens) +
                       " tokens a file; give --shard-tokens");
  }
}

namespace {

void end_adder(uint64_t total, uint64_t checksum, int width, int64_t tokens, size_t documents,
               const Tokenizer& tokenizer, DurableFile& file) {
  ShardHeader h;
  h.total = total, h.checksum = checksum, h.width = uint32_t(width);
  h.tokens = uint64_t(tokens), h.documents = documents;
  h.tokenizer_bytes = tokenizer.to_json().size(), h.tokenizer_hash = tokenizer.hash();
  const ShardHeaderBytes bytes = encode(h);
  file.write_at(0, bytes.data(), bytes.size());
}

void end_llmc(int width, int64_t tokens, DurableFile& file) {
  int32_t header[kLlmcHeaderBytes / sizeof(int32_t)] = {};
  header[0] = width == 2 ? kLlmcMagic16 : kLlmcMagic32;
  header[1] = width == 2 ? kLlmcVersion16 : kLlmcVersion32;
  header[2] = int32_t(tokens);
  file.write_at(0, header, sizeof header);
}

}  // namespace

std::vector<std::string> ShardWriter::commit() {
  if (tokens_ == 0) throw UnreadableError(output_.path + ": there are no tokens to write, the input is empty");
  std::vector<std::string> paths;
  for (const auto& f : files_) {
    if (output_.format == ShardFormat::adder) {
      f->fill_up();
      f->put(f->starts.data(), f->starts.size() * sizeof(uint64_t));
      end_adder(f->at, f->hash.value(), width_, f->tokens, f->starts.size(), *tokenizer_, f->file);
    } else if (output_.format == ShardFormat::llmc) {
      end_llmc(width_, f->tokens, f->file);
    }
  }
  for (const auto& f : files_) {
    if (output_.format != ShardFormat::adder)
      write_durably(tokenizer_beside(f->file.path()), tokenizer_->to_json() + "\n");
    f->file.commit();
    paths.push_back(f->file.path());
  }
  for (const std::string& path : left_over(files_.size()))
    if (output_.tokens_per_file) fs::remove(path);
  return paths;
}

}  // namespace adder
