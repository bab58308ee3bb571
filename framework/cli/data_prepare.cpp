// adder data prepare: text in, token shards out; or shards of one format into those of another.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <iterator>

#include "framework/cli/command.h"
#include "framework/cli/interruption.h"
#include "framework/cli/output.h"
#include "framework/core/error.h"
#include "framework/data/jsonl.h"
#include "framework/data/token_files.h"
#include "framework/interop/shard_writer.h"
#include "framework/training/durable_file.h"

namespace adder {
namespace {

struct PrepareOptions {
  std::vector<std::string> sources;
  std::string format = "adder", tokenizer = "auto", key, separator;
  ShardOutput output;
  bool json = false;
};

struct Stopped {};  // Ctrl-C: what was begun is removed on the way out

ShardFormat format_named(const std::string& name) {
  for (const ShardFormat format : {ShardFormat::adder, ShardFormat::nanogpt, ShardFormat::llmc})
    if (name == adder::name(format)) return format;
  throw UsageError("--format is \"" + name + "\", expected adder, nanogpt or llmc");
}

bool is_jsonl(const std::string& path) { return path.ends_with(".jsonl") || path.ends_with(".ndjson"); }

std::string whole_input() { return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()}; }

Text joined(const std::vector<Text::Document>& documents, const std::string& separator) {
  const auto empty = std::count_if(documents.begin(), documents.end(), [](const auto& d) { return d.text.empty(); });
  if (empty > 0)
    warn(with_commas(empty) + " of " + with_commas(int64_t(documents.size())) +
         " documents are empty: they have no tokens, and are left out");
  return Text::of_documents(documents, separator);
}

// The inputs as JSON lines: where --key says so, or all their names do.
std::optional<Text> json_lines(const PrepareOptions& o) {
  const bool from_stdin = o.sources == std::vector<std::string>{"-"};
  if (from_stdin && o.key.empty()) return std::nullopt;
  std::vector<Text::Document> documents;
  const std::string member = o.key.empty() ? "text" : o.key;
  const auto take = [&](const std::string& lines, const std::string& name) {
    for (auto& document : read_jsonl(lines, name, member)) documents.push_back(std::move(document));
  };
  if (from_stdin) {
    take(whole_input(), "stdin");
    return joined(documents, o.separator);
  }
  const std::vector<std::string> files = find_files(o.sources, "SOURCE");
  if (o.key.empty() && std::none_of(files.begin(), files.end(), is_jsonl)) return std::nullopt;
  for (const std::string& file : files) {
    if (o.key.empty() && !is_jsonl(file))
      throw UsageError(file + ": isn't named *.jsonl as others are; prepare it apart, or give --key, which takes all for JSON lines");
    take(read_text_file(file), file);
  }
  return joined(documents, o.separator);
}

void check_sources(const PrepareOptions& o) {
  if (o.sources.size() > 1 && std::find(o.sources.begin(), o.sources.end(), "-") != o.sources.end())
    throw UsageError("- reads stdin, so it must be the only SOURCE");
}

void write_text(const Text& text, const Tokenizer& tokenizer, ShardWriter& writer, const Interruption& interruption) {
  encode(text, tokenizer, Documents::separate,
         {[&] { writer.document(); }, [&](const std::vector<int32_t>& ids) {
            if (interruption.requested()) throw Stopped();
            writer.add(ids);
          }});
}

void write_shards(const TokenSpan& tokens, ShardWriter& writer, const Interruption& interruption) {
  constexpr int64_t kBlock = int64_t{1} << 20;
  std::vector<int32_t> ids;
  for (int64_t at = 0; at < tokens.size(); at += int64_t(ids.size())) {
    if (interruption.requested()) throw Stopped();
    ids.resize(size_t(std::min(kBlock, tokens.size() - at)));
    tokens.copy(at, int64_t(ids.size()), ids.data());
    size_t done = 0;
    for (const int64_t start : tokens.document_starts(at, int64_t(ids.size()))) {
      writer.add(std::span(ids).subspan(done, size_t(start) - done));
      writer.document();
      done = size_t(start);
    }
    writer.add(std::span(ids).subspan(done));
  }
}

// What was written: the writer, and the files.
void report(const PrepareOptions& o, const ShardWriter& writer, const Tokenizer& tokenizer,
            const std::vector<std::string>& paths) {
  if (o.json) {
    JsonValue result = JsonValue::object(), files = JsonValue::array();
    for (const std::string& path : paths) files.push(JsonValue(path));
    result.set("files", std::move(files));
    result.set("format", o.format);
    result.set("tokens", writer.tokens());
    result.set("documents", writer.documents());
    result.set("bytes_a_token", int64_t(writer.width()));
    JsonValue& known = result.set("tokenizer", JsonValue::object());
    known.set("name", tokenizer.name());
    known.set("vocabulary", tokenizer.vocabulary());
    known.set("hash", tokenizer.hash());
    return print_json(result);
  }
  const std::string more = paths.size() > 1 ? " and " + std::to_string(paths.size() - 1) + " more" : "";
  print(aligned({{"written", paths.front() + more + " (" + o.format + ")"},
                 {"tokens", with_commas(writer.tokens()) + " of " + std::to_string(writer.width()) +
                                (writer.width() == 1 ? " byte" : " bytes")},
                 {"documents", with_commas(writer.documents())},
                 {"tokenizer", tokenizer.text()}}));
}

int prepare_command(PrepareOptions o) {
  check_sources(o);
  o.output.format = format_named(o.format);
  const Interruption interruption;
  std::optional<Text> text = json_lines(o);
  TokenFiles files;
  if (!text && o.sources.front() == "-") text = Text::from_string(whole_input(), o.separator);
  if (!text) files = TokenFiles::open(o.sources, o.separator, "SOURCE");
  if (text && text->size() == 0) throw UnreadableError("the input holds no text, expected some");
  const bool sharded = files.sharded();
  if (sharded && !o.separator.empty())
    throw UsageError("--separator stands between documents of text, but " + files.shards().front()->path() +
                     " is a token shard, which marks its own; remove it, or prepare the text anew");
  if (!text) text = files.text();
  const TokenizerPtr tokenizer =
      sharded ? choose_tokenizer(o.tokenizer, {&files}, "--tokenizer").tokenizer
              : make_tokenizer(o.tokenizer == "auto" ? "byte" : o.tokenizer, std::span(&*text, 1), "--tokenizer");
  ShardWriter writer(o.output, tokenizer);
  try {
    if (sharded) write_shards(files.tokens(*tokenizer, Documents::separate, "--tokenizer"), writer, interruption);
    else write_text(*text, *tokenizer, writer, interruption);
    if (interruption.requested()) throw Stopped();
  } catch (const Stopped&) {
    note("stopped; nothing was written");
    return interruption.exit_code();
  }
  const std::vector<std::string> paths = writer.commit();
  const std::string hint = sharded ? "" : " (--separator puts a text there)";
  if (o.output.format != ShardFormat::adder && writer.documents() > 1)
    warn("the format " + o.format + " doesn't mark documents; the " + with_commas(writer.documents()) +
         " of them are one stream now" +
         (!o.separator.empty() ? "" : ", with nothing between them" + hint));
  report(o, writer, *tokenizer, paths);
  return kOk;
}

}  // namespace

Action declare_data_prepare(CLI::App& app) {
  auto o = std::make_shared<PrepareOptions>();
  app.add_option("SOURCE", o->sources,
                 "text files, folders, globs, JSON lines (*.jsonl) or token shards; - is stdin")
      ->required()
      ->type_name("PATH");
  app.add_option("--out", o->output.path, "the file to write, such as train.tokens")->required()->type_name("FILE");
  app.add_option("--format", o->format, "adder, nanogpt (*.bin) or llmc")->type_name("NAME")->capture_default_str();
  app.add_option("--tokenizer", o->tokenizer,
                 "byte, char (of this text), ids:V, or the path of a tokenizer; auto: the shards' own, else byte")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--key", o->key, "the input is JSON lines, and this member of each is a document; *.jsonl: text")
      ->type_name("NAME");
  app.add_option("--separator", o->separator, "text between two documents of text; in a file it ends one, too")
      ->type_name("TEXT");
  app.add_option("--shard-tokens", o->output.tokens_per_file,
                 "several files of so many tokens: train-00000.tokens, …; left out: one file")
      ->type_name("N");
  app.add_flag("--force", o->output.overwrite, "overwrite what is there");
  app.add_flag("--json", o->json, "the result as one JSON document");
  app.footer(
      "Files appear whole, all together at the end. Each file, JSON line and separated part is a document.\n"
      "Example: adder data prepare corpus/ --tokenizer char --out data/train.tokens");
  return [o](const ModelFactory&) { return prepare_command(*o); };
}

}  // namespace adder
