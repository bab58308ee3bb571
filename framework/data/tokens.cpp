#include "framework/data/tokens.h"

#include <algorithm>

#include "framework/core/error.h"
#include "framework/data/hash.h"
#include "framework/data/shard.h"

namespace adder {

namespace {
// Bytes that hold every id below `vocabulary`.
int width_for(int64_t vocabulary) { return vocabulary <= 256 ? 1 : vocabulary <= 65536 ? 2 : 4; }
}  // namespace

class TokenStore {
 public:
  int64_t size() const { return size_; }
  void mark(std::vector<int64_t> starts) { starts_ = std::move(starts); }
  void mark_next() { starts_.push_back(size_); }
  const std::vector<int64_t>& starts() const { return starts_; }  // of documents; empty where not marked

  // Tokens that lie elsewhere, for as long as `owner` lives.
  void borrow(std::shared_ptr<const void> owner, const void* data, int64_t size, int width) {
    owners_.push_back(std::move(owner));
    add(data, size, width);
  }

  void store(const std::vector<int32_t>& ids, int width) {
    auto& block = blocks_.emplace_back(ids.size() * size_t(width));
    if (width == 1) narrow<uint8_t>(ids, block);
    else if (width == 2) narrow<uint16_t>(ids, block);
    else narrow<int32_t>(ids, block);
    add(block.data(), int64_t(ids.size()), width);
  }

  void copy(int64_t start, int64_t count, int32_t* out) const {
    auto run = std::upper_bound(runs_.begin(), runs_.end(), start,
                                [](int64_t at, const Run& r) { return at < r.start; });
    if (count > 0) --run;
    for (; count > 0; ++run) {
      const int64_t skip = start - run->start;
      const int64_t n = std::min(count, run->size - skip);
      if (run->width == 1) widen<uint8_t>(run->data, skip, n, out);
      else if (run->width == 2) widen<uint16_t>(run->data, skip, n, out);
      else widen<int32_t>(run->data, skip, n, out);
      start += n, count -= n, out += n;
    }
  }

 private:
  struct Run { const void* data; int64_t start, size; int width; };  // width: bytes a token

  void add(const void* data, int64_t size, int width) {
    if (size) runs_.push_back({data, size_, size, width});
    size_ += size;
  }
  template <class T>
  static void narrow(const std::vector<int32_t>& ids, std::vector<uint8_t>& block) {
    T* to = reinterpret_cast<T*>(block.data());
    for (size_t i = 0; i < ids.size(); ++i) to[i] = T(ids[i]);
  }
  template <class T>
  static void widen(const void* data, int64_t skip, int64_t n, int32_t* out) {
    std::copy_n(static_cast<const T*>(data) + skip, n, out);
  }

  std::vector<std::shared_ptr<const void>> owners_;  // of borrowed runs
  std::vector<std::vector<uint8_t>> blocks_;
  std::vector<Run> runs_;  // in order, none empty
  std::vector<int64_t> starts_;
  int64_t size_ = 0;
};

// ---- from text --------------------------------------------------------------------------------------------
namespace {

constexpr size_t kPart = size_t{1} << 20;  // bytes that are encoded at once

// The piece, which begins at byte `base` of its text, cut where documents start.
std::vector<std::string_view> cut(std::string_view piece, int64_t base, const std::vector<int64_t>& starts) {
  std::vector<std::string_view> parts;
  size_t from = 0;
  for (auto at = std::upper_bound(starts.begin(), starts.end(), base);
       at != starts.end() && *at < base + int64_t(piece.size()); ++at) {
    const size_t to = size_t(*at - base);
    parts.push_back(piece.substr(from, to - from));
    from = to;
  }
  parts.push_back(piece.substr(from));
  return parts;
}

// How much of a text to encode at once: up to the last blank, or whole characters where there is none.
size_t part_of(std::string_view text) {
  if (text.size() <= kPart) return text.size();
  const size_t blank = text.find_last_of(" \n", kPart - 1);
  if (blank != std::string_view::npos) return blank + 1;
  size_t end = kPart;
  while (end > kPart - 4 && (uint8_t(text[end]) & 0xC0) == 0x80) --end;  // inside a character of UTF-8
  return end;
}

std::vector<int32_t> encoded(std::string_view part, const TextPiece& piece, const Tokenizer& tokenizer) {
  const std::string where = piece.file.empty() ? "" : piece.file + ": ";
  try {
    return tokenizer.encode(part);
  } catch (const UnreadableError& in_part) {
    try {
      tokenizer.encode(piece.text);  // the same error, its place counted from the file's beginning
    } catch (const UnreadableError& error) {
      throw UnreadableError(where + error.what());
    }
    throw UnreadableError(where + in_part.what());
  }
}

}  // namespace

void encode(const Text& text, const Tokenizer& tokenizer, Documents documents, const TokenSink& sink) {
  std::vector<int64_t> starts;
  if (documents == Documents::separate) starts = text.document_starts();
  int64_t base = 0;
  for (const TextPiece& piece : text.pieces()) {
    int64_t at = base;
    for (std::string_view document : cut(piece.text, base, starts)) {
      if (std::binary_search(starts.begin(), starts.end(), at)) sink.document();
      at += int64_t(document.size());
      while (!document.empty()) {
        const size_t n = part_of(document);
        sink.tokens(encoded(document.substr(0, n), piece, tokenizer));
        document.remove_prefix(n);
      }
    }
    base += int64_t(piece.text.size());
  }
}

TokenSpan tokenize(const Text& text, const Tokenizer& tokenizer, Documents documents) {
  auto store = std::make_shared<TokenStore>();
  if (tokenizer.name() == "byte") {  // a mapped piece is its own tokens
    const auto owner = std::make_shared<const Text>(text);
    for (const TextPiece& piece : text.pieces())
      store->borrow(owner, piece.text.data(), int64_t(piece.text.size()), 1);
    if (documents == Documents::separate) store->mark(text.document_starts());
  } else {
    const int width = width_for(tokenizer.vocabulary());
    encode(text, tokenizer, documents,
           {[&] { store->mark_next(); }, [&](const std::vector<int32_t>& ids) { store->store(ids, width); }});
  }
  const int64_t size = store->size();
  return TokenSpan(std::move(store), 0, size);
}

TokenSpan tokens_of(const std::vector<std::shared_ptr<const Shard>>& shards, Documents documents) {
  auto store = std::make_shared<TokenStore>();
  std::vector<int64_t> starts;
  for (const auto& shard : shards) {
    for (const uint64_t start : shard->document_starts()) starts.push_back(store->size() + int64_t(start));
    store->borrow(shard, shard->tokens(), shard->size(), shard->width());
  }
  if (documents == Documents::separate) store->mark(std::move(starts));
  const int64_t size = store->size();
  return TokenSpan(std::move(store), 0, size);
}

// ---- spans ------------------------------------------------------------------------------------------------

TokenSpan TokenSpan::from(const std::vector<int32_t>& ids, const std::vector<int64_t>& starts,
                          int64_t vocabulary) {
  auto store = std::make_shared<TokenStore>();
  store->store(ids, width_for(vocabulary));
  store->mark(starts);
  TokenSpan all;
  all.size_ = store->size();
  all.store_ = std::move(store);
  return all;
}

bool TokenSpan::documents_marked() const { return store_ && !store_->starts().empty(); }

std::vector<int64_t> TokenSpan::document_starts(int64_t start, int64_t count) const {
  check(start, count);
  std::vector<int64_t> found;
  if (!documents_marked()) return found;
  const std::vector<int64_t>& all = store_->starts();
  const int64_t first = start_ + start;
  for (auto at = std::lower_bound(all.begin(), all.end(), first); at != all.end() && *at < first + count; ++at)
    found.push_back(*at - first);
  return found;
}

void TokenSpan::check(int64_t start, int64_t count) const {
  if (start < 0 || count < 0 || start > size_ - count)
    throw Error("[tokens] " + std::to_string(start) + " + " + std::to_string(count) + " lies outside the " +
                std::to_string(size_) + " tokens");
}

int32_t TokenSpan::operator[](int64_t i) const {
  int32_t id = 0;
  copy(i, 1, &id);
  return id;
}

void TokenSpan::copy(int64_t start, int64_t count, int32_t* out) const {
  check(start, count);
  if (count) store_->copy(start_ + start, count, out);
}

TokenSpan TokenSpan::slice(int64_t start, int64_t count) const {
  check(start, count);
  return TokenSpan(store_, start_ + start, count);
}

std::string TokenSpan::hash() const {
  ContentHash hash;
  std::vector<int32_t> block(size_t(std::min<int64_t>(size_, 1 << 16)));
  for (int64_t at = 0; at < size_; at += int64_t(block.size())) {
    const int64_t n = std::min(size_ - at, int64_t(block.size()));
    copy(at, n, block.data());
    hash.add(block.data(), size_t(n) * sizeof(int32_t));
  }
  const std::vector<int64_t> starts = document_starts(0, size_);
  hash.add(starts.data(), starts.size() * sizeof(int64_t));
  return hash.hex();
}

}  // namespace adder
