#include "framework/data/tokens.h"

#include <algorithm>

#include "framework/core/error.h"
#include "framework/data/hash.h"

namespace adder {

class TokenStore {
 public:
  TokenStore(Text text, int64_t vocabulary)
      : text_(std::move(text)), width_(vocabulary <= 256 ? 1 : vocabulary <= 65536 ? 2 : 4) {}

  int64_t size() const { return size_; }
  void mark(std::vector<int64_t> starts) { starts_ = std::move(starts); }
  const std::vector<int64_t>& starts() const { return starts_; }  // of documents; empty where not marked

  // A mapped piece is its own tokens.
  void borrow(std::string_view bytes) { add(bytes.data(), int64_t(bytes.size())); }

  void store(const std::vector<int32_t>& ids) {
    auto& block = blocks_.emplace_back(ids.size() * size_t(width_));
    if (width_ == 1) narrow<uint8_t>(ids, block);
    else if (width_ == 2) narrow<uint16_t>(ids, block);
    else narrow<int32_t>(ids, block);
    add(block.data(), int64_t(ids.size()));
  }

  void copy(int64_t start, int64_t count, int32_t* out) const {
    auto run = std::upper_bound(runs_.begin(), runs_.end(), start,
                                [](int64_t at, const Run& r) { return at < r.start; });
    if (count > 0) --run;
    for (; count > 0; ++run) {
      const int64_t skip = start - run->start;
      const int64_t n = std::min(count, run->size - skip);
      if (width_ == 1) widen<uint8_t>(run->data, skip, n, out);
      else if (width_ == 2) widen<uint16_t>(run->data, skip, n, out);
      else widen<int32_t>(run->data, skip, n, out);
      start += n, count -= n, out += n;
    }
  }

 private:
  struct Run { const void* data; int64_t start, size; };

  void add(const void* data, int64_t size) {
    if (size) runs_.push_back({data, size_, size});
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

  Text text_;  // keeps the maps alive
  int width_;  // bytes a token
  std::vector<std::vector<uint8_t>> blocks_;
  std::vector<Run> runs_;  // in order, none empty
  std::vector<int64_t> starts_;
  int64_t size_ = 0;
};

namespace {

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

std::vector<int32_t> encoded(std::string_view part, const TextPiece& piece, const Tokenizer& tokenizer) {
  try {
    return tokenizer.encode(part);
  } catch (const UnreadableError&) {
  }
  try {
    return tokenizer.encode(piece.text);  // the same error, its place counted from the file's beginning
  } catch (const UnreadableError& error) {
    throw UnreadableError((piece.file.empty() ? "" : piece.file + ": ") + error.what());
  }
}

// Each document is encoded by itself. Returns where each of them starts, in tokens.
std::vector<int64_t> encode_into(TokenStore& store, const Text& text, const Tokenizer& tokenizer,
                                 const std::vector<int64_t>& starts) {
  std::vector<int64_t> marks;
  int64_t base = 0;
  for (const TextPiece& piece : text.pieces()) {
    int64_t at = base;
    for (const std::string_view part : cut(piece.text, base, starts)) {
      if (std::binary_search(starts.begin(), starts.end(), at)) marks.push_back(store.size());
      store.store(encoded(part, piece, tokenizer));
      at += int64_t(part.size());
    }
    base += int64_t(piece.text.size());
  }
  return marks;
}

}  // namespace

TokenSpan tokenize(const Text& text, const Tokenizer& tokenizer, Documents documents) {
  auto store = std::make_shared<TokenStore>(text, tokenizer.vocabulary());
  std::vector<int64_t> starts;
  if (documents == Documents::separate) starts = text.document_starts();
  if (tokenizer.name() == "byte") {
    for (const TextPiece& piece : text.pieces()) store->borrow(piece.text);
    store->mark(std::move(starts));
  } else {
    store->mark(encode_into(*store, text, tokenizer, starts));
  }
  const int64_t size = store->size();
  return TokenSpan(std::move(store), 0, size);
}

TokenSpan TokenSpan::from(const std::vector<int32_t>& ids, const std::vector<int64_t>& starts) {
  auto store = std::make_shared<TokenStore>(Text(), int64_t{1} << 31);
  store->store(ids);
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
