// Writing token shards (data/shard.h) in any of the three formats. The files appear whole, all of them together
// at the end, or not at all; equal tokens give equal bytes.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "framework/data/shard.h"

namespace adder {

struct ShardOutput {
  std::string path;             // of the one file; of several: train.tokens stands for train-00000.tokens, …
  ShardFormat format = ShardFormat::adder;
  int64_t tokens_per_file = 0;  // 0: one file
  bool overwrite = false;
};

class ShardWriter {
 public:
  // UsageError: files that are there already, or a vocabulary that the format can't hold.
  ShardWriter(const ShardOutput& output, TokenizerPtr tokenizer);
  ~ShardWriter();

  void document();  // the next token starts one
  void add(std::span<const int32_t> ids);
  // Ends all files and makes them appear; their paths. Foreign formats get the tokenizer's JSON beside them.
  std::vector<std::string> commit();

  int64_t tokens() const { return tokens_; }
  int64_t documents() const { return documents_; }
  int width() const { return width_; }  // bytes a token

 private:
  struct File;
  void begin_file();
  std::string path_of(size_t index) const;
  std::vector<std::string> left_over(size_t count) const;

  ShardOutput output_;
  TokenizerPtr tokenizer_;
  int width_;
  std::vector<std::unique_ptr<File>> files_;
  bool document_due_ = false;
  int64_t tokens_ = 0, documents_ = 0;
};

}  // namespace adder
