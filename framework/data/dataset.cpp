#include "framework/data/dataset.h"

#include <cfloat>
#include <cmath>

#include "framework/core/error.h"
#include "framework/data/token_files.h"

namespace adder {
namespace {

void check_fractions(double validation, double test) {
  const auto fail = [](const char* key, double found) {
    throw UsageError(std::string(key) + " is " + std::to_string(found) +
                     ", expected 0 or more, and below 1 together with the other fraction");
  };
  // Written so that NaN fails, too.
  if (!(validation >= 0 && validation < 1)) fail("data.validation_fraction", validation);
  if (!(test >= 0 && validation + test < 1)) fail("data.test_fraction", test);
}

// floor(total * fraction), where a product that is a whole number but for rounding counts as that number.
int64_t part(int64_t total, double fraction) {
  const double exact = double(total) * fraction;
  return std::min(total, int64_t(std::floor(exact + 4 * DBL_EPSILON * double(total))));
}

void check_length(const char* name, const TokenSpan& split, const DatasetOptions& options) {
  const int64_t least = options.context_length + 1;
  if (split.size() >= least) return;
  throw UnreadableError(
      std::string("data.") + name + " has " + std::to_string(split.size()) +
      " tokens, expected at least training.context_length + 1 = " + std::to_string(least) +
      "; shorten training.context_length, give more text, or change data.validation_fraction" +
      " and data.test_fraction (" + std::to_string(options.validation_fraction) + " and " +
      std::to_string(options.test_fraction) + ")");
}

void check_documents(const TokenFiles& train, const DatasetOptions& options) {
  if (options.documents == Documents::joined || !train.one_document()) return;
  if (train.sharded())
    throw UsageError("data.documents is \"separate\", but the shards of data.train are one document; name several, "
                     "or set data.documents to \"joined\"");
  const std::string reason = options.separator.empty()
                                 ? "data.separator is empty; give the text that stands between documents"
                                 : "data.separator does not occur in it; correct it";
  throw UsageError("data.documents is \"separate\", but data.train is one file and " + reason +
                   ", name several files, or set data.documents to \"joined\"");
}

void check_separator(const std::vector<TokenFiles>& files, const DatasetOptions& options) {
  if (options.separator.empty()) return;
  for (const TokenFiles& split : files)
    if (!split.sharded()) return;
  throw UsageError("data.separator stands between documents of text, but " + files.front().shards().front()->path() +
                   " is a token shard, which marks its own; remove the key");
}

}  // namespace

SplitSizes split_sizes(int64_t total, double validation_fraction, double test_fraction) {
  check_fractions(validation_fraction, test_fraction);
  const int64_t train = part(total, 1 - validation_fraction - test_fraction);
  const int64_t seen = test_fraction > 0 ? part(total, 1 - test_fraction) : total;
  return {train, seen - train, total - seen};
}

TokenDataset TokenDataset::load(const DatasetOptions& options, TokenizerPtr tokenizer) {
  const bool own_validation = !options.validation.empty(), own_test = !options.test.empty();
  const double validation_fraction = own_validation ? 0 : options.validation_fraction;
  const double test_fraction = own_test ? 0 : options.test_fraction;
  check_fractions(validation_fraction, test_fraction);

  std::vector<TokenFiles> files{TokenFiles::open(options.train, options.separator, "data.train")};
  if (own_validation) files.push_back(TokenFiles::open(options.validation, options.separator, "data.validation"));
  if (own_test) files.push_back(TokenFiles::open(options.test, options.separator, "data.test"));

  check_documents(files.front(), options);
  check_separator(files, options);

  TokenDataset data;
  std::vector<const TokenFiles*> all_files;
  for (const TokenFiles& split : files) all_files.push_back(&split);
  const TokenizerChoice choice = tokenizer ? TokenizerChoice{std::move(tokenizer), options.tokenizer_owner}
                                           : choose_tokenizer(options.tokenizer, all_files);
  data.tokenizer = choice.tokenizer;
  const auto tokens_of = [&](const TokenFiles& split) {
    return split.tokens(*choice.tokenizer, options.documents, choice.whose);
  };
  const TokenSpan all = tokens_of(files.front());
  const SplitSizes sizes = split_sizes(all.size(), validation_fraction, test_fraction);
  data.train = all.slice(0, sizes.train);
  data.validation = own_validation ? tokens_of(files[1]) : all.slice(sizes.train, sizes.validation);
  data.test = own_test ? tokens_of(files.back()) : all.slice(sizes.train + sizes.validation, sizes.test);
  check_length("train", data.train, options);
  if (own_validation || validation_fraction > 0) check_length("validation", data.validation, options);
  if (own_test || test_fraction > 0) check_length("test", data.test, options);
  return data;
}

}  // namespace adder
