// A long row of token ids in the smallest type that holds them, and views of stretches of it.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "framework/data/text.h"
#include "framework/data/tokenizer.h"

namespace adder {

class TokenStore;

// A stretch of tokens. Cheap to copy; keeps what it points into alive.
class TokenSpan {
 public:
  TokenSpan() = default;  // empty
  static TokenSpan from(const std::vector<int32_t>& ids);  // for tests

  int64_t size() const { return size_; }
  int32_t operator[](int64_t i) const;
  void copy(int64_t start, int64_t count, int32_t* out) const;  // tokens start … start + count - 1
  TokenSpan slice(int64_t start, int64_t count) const;
  std::string hash() const;  // of the ids, whatever their storage; 16 hexadecimal digits

 private:
  friend TokenSpan tokenize(const Text& text, const Tokenizer& tokenizer);
  TokenSpan(std::shared_ptr<const TokenStore> store, int64_t start, int64_t size)
      : store_(std::move(store)), start_(start), size_(size) {}
  void check(int64_t start, int64_t count) const;

  std::shared_ptr<const TokenStore> store_;
  int64_t start_ = 0, size_ = 0;
};

// All tokens of a text, one piece after the other. Bytes stay where the files are mapped.
TokenSpan tokenize(const Text& text, const Tokenizer& tokenizer);

}  // namespace adder
