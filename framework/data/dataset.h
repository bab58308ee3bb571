// From files to tokens in three splits: train, validation and test.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "framework/data/tokenizer.h"
#include "framework/data/tokens.h"

namespace adder {

// The keys of the config's section `data`, and the context that every split must fill at least once.
struct DatasetOptions {
  std::vector<std::string> train{};       // files, folders, globs: of text or of token shards
  std::vector<std::string> validation{};  // where given, these and no fraction of train
  std::vector<std::string> test{};
  double validation_fraction = 0.1;
  double test_fraction = 0;
  std::string separator{};
  Documents documents = Documents::joined;
  // auto (that of the shards; text: byte), byte, char (sorted code points of all the files), ids:V, or a path
  std::string tokenizer = "auto";
  std::string tokenizer_owner = "the run";  // for messages: where a tokenizer that is handed in is from
  int64_t context_length = 1;
};

// How many of `total` tokens each split takes, in the order train | validation | test. As nanoGPT:
// train = int(total * (1 - validation - test)), test = the rest from int(total * (1 - test)) on.
struct SplitSizes { int64_t train, validation, test; };
SplitSizes split_sizes(int64_t total, double validation_fraction, double test_fraction);

struct TokenDataset {
  TokenizerPtr tokenizer;
  TokenSpan train, validation, test;  // size 0 where there is none

  // UnreadableError: no such file, no text, what the tokenizer can't read, a split shorter than
  // context_length + 1 tokens. UsageError: fractions that leave nothing to train on, separate documents where
  // all of train is one, shards of another tokenizer, a separator for shards.
  // With `tokenizer` (a resumed run's) options.tokenizer is not looked at.
  static TokenDataset load(const DatasetOptions& options, TokenizerPtr tokenizer = nullptr);
};

}  // namespace adder
