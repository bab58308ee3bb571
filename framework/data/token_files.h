// The files of a split: all of them text, or all of them token shards.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "framework/data/shard.h"
#include "framework/data/text.h"
#include "framework/data/tokens.h"

namespace adder {

class TokenFiles {
 public:
  // Sources as of Text::load. UnreadableError, also where text and shards are mixed.
  static TokenFiles open(const std::vector<std::string>& sources, const std::string& separator,
                         const std::string& key);

  bool sharded() const { return !shards_.empty(); }
  const Text& text() const { return text_; }
  const std::vector<ShardPtr>& shards() const { return shards_; }
  bool one_document() const;  // nothing separates
  // UsageError where a shard was made by another tokenizer, UnreadableError where the tokens are damaged or lie
  // outside the vocabulary. `whose` says where `tokenizer` is from: "the run runs/x".
  TokenSpan tokens(const Tokenizer& tokenizer, Documents documents, const std::string& whose) const;

 private:
  std::string key_;
  Text text_;
  std::vector<ShardPtr> shards_;
};

// The tokenizer of these files: the shards' where they name one, which `spec` (data.tokenizer: auto, byte, char,
// ids:V or a path) must then fit, else that of `spec`, auto being byte. UsageError, naming both.
struct TokenizerChoice {
  TokenizerPtr tokenizer;
  std::string whose;  // for messages: the shard that it is from, or the key
};
TokenizerChoice choose_tokenizer(const std::string& spec, const std::vector<const TokenFiles*>& files,
                                 const std::string& key = "data.tokenizer");

}  // namespace adder
