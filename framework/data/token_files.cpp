#include "framework/data/token_files.h"

#include <filesystem>

#include "framework/core/error.h"

namespace adder {
namespace {

void require_same(const Shard& shard, const Tokenizer& tokenizer, const std::string& key,
                  const std::string& whose) {
  if (!shard.tokenizer() || shard.tokenizer()->hash() == tokenizer.hash()) return;
  throw UsageError(key + ": " + shard.path() + " was made by the tokenizer " + shard.tokenizer()->text() +
                   ", but that of " + whose + " is " + tokenizer.text() +
                   "; prepare the text with that one, or use other data");
}

// A tokenizer that a folder or glob brought with its shard.
bool stands_beside(const std::string& path) {
  const std::string suffix = tokenizer_beside("");
  std::error_code ignored;
  return path.ends_with(suffix) &&
         std::filesystem::exists(path.substr(0, path.size() - suffix.size()), ignored);
}

// The first file that says how its tokens were made; null where none does.
const Shard* first_with_tokenizer(const std::vector<const TokenFiles*>& files) {
  for (const TokenFiles* split : files)
    for (const ShardPtr& shard : split->shards())
      if (shard->tokenizer()) return shard.get();
  return nullptr;
}

const Shard* first_shard(const std::vector<const TokenFiles*>& files) {
  for (const TokenFiles* split : files)
    if (split->sharded()) return split->shards().front().get();
  return nullptr;
}

}  // namespace

TokenFiles TokenFiles::open(const std::vector<std::string>& sources, const std::string& separator,
                            const std::string& key) {
  TokenFiles files;
  files.key_ = key;
  std::string first_text;
  for (const std::string& path : find_files(sources, key)) {
    if (stands_beside(path)) continue;
    try {
      if (Shard::format_of(path)) files.shards_.push_back(std::make_shared<const Shard>(path));
      else if (first_text.empty()) first_text = path;
    } catch (const UnreadableError& error) {
      throw UnreadableError(key + ": " + error.what());
    }
  }
  if (!files.sharded()) {
    files.text_ = Text::load(sources, separator, key);
  } else if (!first_text.empty()) {
    throw UnreadableError(key + ": " + files.shards_.front()->path() + " is a token shard, " + first_text +
                          " is not; expected shards alone or text alone: `adder data prepare` turns text into shards");
  }
  return files;
}

bool TokenFiles::one_document() const {
  if (!sharded()) return text_.document_starts().size() < 2;
  size_t documents = 0;
  for (const ShardPtr& shard : shards_) documents += shard->document_starts().size();
  return documents < 2;
}

TokenSpan TokenFiles::tokens(const Tokenizer& tokenizer, Documents documents, const std::string& whose) const {
  if (!sharded()) return tokenize(text_, tokenizer, documents);
  for (const ShardPtr& shard : shards_) require_same(*shard, tokenizer, key_, whose);
  for (const ShardPtr& shard : shards_) {
    try {
      shard->verify(tokenizer.vocabulary());
    } catch (const UnreadableError& error) {
      throw UnreadableError(key_ + ": " + error.what());
    }
  }
  return tokens_of(shards_, documents);
}

TokenizerChoice choose_tokenizer(const std::string& spec, const std::vector<const TokenFiles*>& files,
                                 const std::string& key) {
  const Shard *some = first_shard(files), *known = first_with_tokenizer(files);
  const bool automatic = spec == "auto";
  if (!some) {
    std::vector<Text> texts;
    for (const TokenFiles* split : files) texts.push_back(split->text());
    return {make_tokenizer(automatic ? "byte" : spec, texts, key), key};
  }
  if (!known && (automatic || spec == "char"))
    throw UsageError(some->path() + ": a shard of format " + name(some->format()) +
                     " names no tokenizer; put its JSON beside it as " + tokenizer_beside(some->path()) +
                     ", or set " + key + " to \"byte\", a path, or \"ids:V\" for V ids without text (GPT-2: ids:50257)");
  if (!known) return {make_tokenizer(spec, {}, key), key};
  if (automatic || (spec == "char" && known->tokenizer()->name() == "char"))
    return {known->tokenizer(), known->path()};
  if (spec == "char")
    throw UsageError(key + " is \"char\", but " + known->path() + " was made by " + known->tokenizer()->text() +
                     "; leave " + key + " out");
  return {make_tokenizer(spec, {}, key), key};
}

}  // namespace adder
