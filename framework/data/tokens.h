// A long row of token ids in the smallest type that holds them, and views of stretches of it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "framework/data/text.h"
#include "framework/data/tokenizer.h"

namespace adder {

class TokenStore;
class Shard;

// Whether a text is one stream, or each of its documents (Text::document_starts) stands by itself: then the
// state starts anew at its first token, and no token is predicted from another document.
enum class Documents { joined, separate };

// A stretch of tokens. Cheap to copy; keeps what it points into alive.
class TokenSpan {
 public:
  TokenSpan() = default;  // empty
  // Ids below `vocabulary`; `starts`: where documents start, as Documents::separate marks them.
  static TokenSpan from(const std::vector<int32_t>& ids, const std::vector<int64_t>& starts = {},
                        int64_t vocabulary = int64_t{1} << 31);

  int64_t size() const { return size_; }
  int32_t operator[](int64_t i) const;
  void copy(int64_t start, int64_t count, int32_t* out) const;  // tokens start … start + count - 1
  TokenSpan slice(int64_t start, int64_t count) const;
  // Where documents start among tokens start … start + count - 1, counted from `start`; none unless marked.
  std::vector<int64_t> document_starts(int64_t start, int64_t count) const;
  bool documents_marked() const;
  // Of the ids, whatever their storage, and of the documents' starts where they are marked; 16 hexadecimal
  // digits.
  std::string hash() const;

 private:
  friend TokenSpan tokenize(const Text& text, const Tokenizer& tokenizer, Documents documents);
  friend TokenSpan tokens_of(const std::vector<std::shared_ptr<const Shard>>& shards, Documents documents);
  TokenSpan(std::shared_ptr<const TokenStore> store, int64_t start, int64_t size)
      : store_(std::move(store)), start_(start), size_(size) {}
  void check(int64_t start, int64_t count) const;

  std::shared_ptr<const TokenStore> store_;
  int64_t start_ = 0, size_ = 0;
};

// All tokens of a text, one piece after the other. Bytes stay where the files are mapped. `separate` marks
// where documents start.
TokenSpan tokenize(const Text& text, const Tokenizer& tokenizer, Documents documents = Documents::joined);

// The tokens of shards, one file after the other, where they are mapped.
TokenSpan tokens_of(const std::vector<std::shared_ptr<const Shard>>& shards, Documents documents);

// A text's tokens in parts: `tokens` is called with them, and `document` before those of each document, where
// these are separate. A part has a million tokens at most, and ends after a blank: there all our tokenizers may
// be interrupted.
struct TokenSink {
  std::function<void()> document;
  std::function<void(const std::vector<int32_t>&)> tokens;
};
void encode(const Text& text, const Tokenizer& tokenizer, Documents documents, const TokenSink& sink);

}  // namespace adder
