// adder data show: what a token shard holds, once all of it has been read.
#include <CLI/CLI.hpp>

#include "framework/cli/command.h"
#include "framework/cli/output.h"
#include "framework/core/error.h"
#include "framework/data/tokens.h"
#include "framework/data/shard.h"
#include "framework/data/utf8.h"

namespace adder {
namespace {

struct ShowOptions {
  std::string file, tokenizer;
  int64_t tokens = 32;
  bool json = false;
};

constexpr int64_t kAnyId = int64_t{1} << 31;

std::string dtype(const Shard& shard) { return "u" + std::to_string(8 * shard.width()); }

std::string decoded(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  StreamDecoder decoder;
  const std::string text = decoder.push(tokenizer.decode(ids));
  return text + decoder.finish();
}

JsonValue to_json(const Shard& shard, const Tokenizer* tokenizer, const std::vector<int32_t>& ids) {
  JsonValue result = JsonValue::object(), list = JsonValue::array();
  result.set("file", shard.path());
  result.set("format", name(shard.format()));
  result.set("dtype", dtype(shard));
  result.set("tokens", shard.size());
  result.set("documents", int64_t(shard.document_starts().size()));
  result.set("checksum", shard.checksum() ? JsonValue("ok") : JsonValue());
  JsonValue& known = result.set("tokenizer", tokenizer ? JsonValue::object() : JsonValue());
  if (tokenizer) {
    known.set("name", tokenizer->name());
    known.set("vocabulary", tokenizer->vocabulary());
    known.set("hash", tokenizer->hash());
  }
  for (const int32_t id : ids) list.push(JsonValue(int64_t(id)));
  result.set("ids", std::move(list));
  if (tokenizer) result.set("text", decoded(*tokenizer, ids));
  return result;
}

void print_text(const Shard& shard, const Tokenizer* tokenizer, const std::vector<int32_t>& ids) {
  std::string numbers;
  for (const int32_t id : ids) numbers += (numbers.empty() ? "" : " ") + std::to_string(id);
  std::vector<std::pair<std::string, std::string>> rows = {
      {"file", shard.path()},
      {"format", name(shard.format())},
      {"tokens", with_commas(shard.size()) + ", " + dtype(shard)},
      {"documents", with_commas(int64_t(shard.document_starts().size()))},
      {"tokenizer", tokenizer ? tokenizer->text() : "not known"},
      {"checksum", shard.checksum() ? "ok" : "the format has none"},
      {"first ids", numbers},
  };
  if (tokenizer) rows.emplace_back("as text", dump(JsonValue(decoded(*tokenizer, ids)), -1));
  print(aligned(rows));
}

int show_command(const ShowOptions& o) {
  if (o.tokens < 0) throw UsageError("--tokens is " + std::to_string(o.tokens) + ", expected 0 or more");
  const auto shard = std::make_shared<const Shard>(o.file);
  TokenizerPtr tokenizer = shard->tokenizer();
  if (!o.tokenizer.empty()) {
    if (o.tokenizer == "char")
      throw UsageError("--tokenizer is \"char\", which is made from a text; expected byte, ids:V or a path");
    const TokenizerPtr named = make_tokenizer(o.tokenizer, {}, "--tokenizer");
    if (tokenizer && tokenizer->hash() != named->hash())
      throw UsageError("--tokenizer is " + named->text() + ", but " + o.file + " was made by " + tokenizer->text());
    tokenizer = named;
  }
  shard->verify(tokenizer ? tokenizer->vocabulary() : kAnyId);
  const TokenSpan tokens = tokens_of({shard}, Documents::joined);
  std::vector<int32_t> ids(size_t(std::min(o.tokens, tokens.size())));
  tokens.copy(0, int64_t(ids.size()), ids.data());
  if (o.json) print_json(to_json(*shard, tokenizer.get(), ids));
  else print_text(*shard, tokenizer.get(), ids);
  return kOk;
}

}  // namespace

Action declare_data_show(CLI::App& app) {
  auto o = std::make_shared<ShowOptions>();
  app.add_option("FILE", o->file, "a token shard of any of the three formats")->required()->type_name("PATH");
  app.add_option("--tokens", o->tokens, "how many of the first ones to show")->type_name("N")->capture_default_str();
  app.add_option("--tokenizer", o->tokenizer, "of a shard that names none: byte, ids:V or a path")->type_name("NAME");
  app.add_flag("--json", o->json, "the result as one JSON document");
  app.footer("All of the file is read: a damaged one, or an id beyond the vocabulary, exits with 3.\n"
             "Example: adder data show data/train.tokens");
  return [o](const ModelFactory&) { return show_command(*o); };
}

}  // namespace adder
