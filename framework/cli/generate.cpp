// adder generate: a prompt, and how the model goes on; the text appears as it is decoded.
#include "framework/inference/generate.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <iterator>
#include <sstream>

#include "framework/cli/cache_option.h"
#include "framework/cli/command.h"
#include "framework/cli/compute_options.h"
#include "framework/cli/interruption.h"
#include "framework/cli/open_model.h"
#include "framework/cli/output.h"
#include "framework/core/error.h"
#include "framework/data/utf8.h"
#include "framework/training/durable_file.h"

namespace adder {
namespace {

struct GenerateOptions {
  ModelSource source;
  std::vector<std::string> prompts;
  std::string prompt_file;
  int64_t tokens = 200, samples = 1, seed = int64_t(SamplingOptions().seed);
  SamplingOptions sampling;
  std::string precision, cache;
  bool bf16_cache = false;  // what `cache` says of the model
  bool json = false;
  ComputeOptions compute;
};

void check(const GenerateOptions& o) {
  if (o.tokens < 0) throw UsageError("--tokens is " + std::to_string(o.tokens) + ", expected 0 or more");
  if (!(o.sampling.temperature >= 0) || !std::isfinite(o.sampling.temperature))
    throw UsageError("--temperature is " + significant(o.sampling.temperature, 6) +
                     ", expected 0 (always the likeliest) or more");
  if (o.prompts.empty() && o.prompt_file.empty())
    throw UsageError("there is no prompt; give --prompt TEXT, or --prompts FILE with one a line");
  check_cache(o.cache);
  if (o.samples < 1) throw UsageError("--samples is " + std::to_string(o.samples) + ", expected 1 or more");
  if (o.seed < 0) throw UsageError("--seed is " + std::to_string(o.seed) + ", expected 0 or more");
  if (o.sampling.top_k < 0)
    throw UsageError("--top-k is " + std::to_string(o.sampling.top_k) + ", expected 0 (all) or more");
  if (!(o.sampling.top_p > 0 && o.sampling.top_p <= 1))
    throw UsageError("--top-p is " + significant(o.sampling.top_p, 6) + ", expected above 0 and at most 1");
}

std::string whole_input() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

struct Prompt {
  std::string text, where;  // where it was given, for messages: "--prompt", "prompts.txt:3"
};

// What breaks UTF-8 would come back as U+FFFD.
void require_utf8(const Prompt& prompt) {
  for (size_t at = 0; at < prompt.text.size();) {
    const Utf8 character = read_utf8(std::string_view(prompt.text).substr(at));
    if (character.status != Utf8::complete)
      throw UnreadableError(prompt.where + ": byte " + std::to_string(at) +
                            " of the line is no UTF-8; save the file as UTF-8");
    at += size_t(character.length);
  }
}

// One prompt a line; \n or \r\n ends it, and the last one may lack that.
std::vector<Prompt> prompts_of_file(const std::string& path) {
  const std::string name = path == "-" ? "stdin" : path;
  std::istringstream lines(path == "-" ? whole_input() : read_text_file(path));
  std::vector<Prompt> prompts;
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    prompts.push_back({line, name + ":" + std::to_string(prompts.size() + 1)});
    if (line.empty())
      throw UnreadableError(prompts.back().where + ": the line is empty, expected a prompt on every line");
    require_utf8(prompts.back());
  }
  if (prompts.empty()) throw UnreadableError(name + ": is empty, expected one prompt a line");
  return prompts;
}

std::vector<Prompt> prompts_of(const GenerateOptions& o) {
  if (!o.prompt_file.empty()) return prompts_of_file(o.prompt_file);
  std::vector<Prompt> prompts;
  const bool one = o.prompts.size() == 1;
  for (const std::string& text : o.prompts) {
    if (text == "-" && !one) throw UsageError("--prompt - reads stdin, so it must be the only --prompt");
    const std::string where = one ? "--prompt" : "--prompt " + std::to_string(prompts.size() + 1);
    prompts.push_back({text == "-" ? whole_input() : text, where});
  }
  return prompts;
}

std::vector<int32_t> encode(const Prompt& prompt, const LoadedModel& loaded) {
  if (loaded.config.data.task.given())
    throw UsageError(loaded.path + ": was trained on the task " + loaded.config.data.task.name +
                     ", which has no text to continue; adder eval shows how well it solves it");
  if (!loaded.tokenizer)
    throw UsageError(loaded.path +
                     ": has no tokenizer (its weights were imported, or its batches ready-made), so no "
                     "prompt can be read");
  if (prompt.text.empty()) throw UsageError(prompt.where + " is empty, expected at least one character");
  try {
    return loaded.tokenizer->encode(prompt.text);
  } catch (const UnreadableError& problem) {
    throw UsageError(prompt.where + ": " + problem.what());
  }
}

std::string shown(const std::string& bytes) {
  StreamDecoder decoder;
  const std::string text = decoder.push(bytes);
  return text + decoder.finish();
}

// Shows what a stream of tokens says so far.
class TextStream {
 public:
  TextStream(const Tokenizer& tokenizer, bool show) : tokenizer_(tokenizer), show_(show) {}
  void add(int32_t token) {
    tokens_.push_back(token);
    put(decoder_.push(tokenizer_.decode(token)));
  }
  void prompt(const std::string& text) { show(shown(text)); }
  void finish() {
    put(decoder_.finish());
    if (show_ && isatty(STDOUT_FILENO)) show("\n");  // elsewhere the text alone
  }
  const std::string& text() const { return text_; }
  const std::vector<int32_t>& tokens() const { return tokens_; }

 private:
  void put(const std::string& part) {
    text_ += part;
    show(part);
  }
  void show(const std::string& part) {
    if (!show_ || part.empty()) return;
    print(part);
    flush_output();
  }

  const Tokenizer& tokenizer_;
  bool show_;
  StreamDecoder decoder_;
  std::string text_;
  std::vector<int32_t> tokens_;
};

JsonValue to_json(const GenerateOptions& options, const LoadedModel& loaded, const SamplingOptions& o,
                  const std::string& prompt, const TextStream& out) {
  JsonValue result = describe(loaded);
  if (options.bf16_cache) result.set("cache", "bf16");
  result.set("temperature", o.temperature);
  result.set("top_k", o.top_k);
  result.set("top_p", o.top_p);
  result.set("seed", int64_t(o.seed));
  result.set("prompt", shown(prompt));
  result.set("text", out.text());
  JsonValue ids = JsonValue::array();
  for (const int32_t id : out.tokens()) ids.push(JsonValue(int64_t(id)));
  result.set("tokens", std::move(ids));
  return result;
}

void tell_speed(int64_t tokens, std::chrono::steady_clock::time_point start, const LoadedModel& loaded) {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  flush_output();
  if (isatty(STDERR_FILENO))
    note(with_commas(tokens) + " tokens in " + duration(seconds) + " from " + shown_checkpoint(loaded));
}

// One continuation of one prompt: shown as it is decoded.
int stream_one(const GenerateOptions& options, const LoadedModel& loaded, const Prompt& prompt) {
  const std::vector<int32_t> ids = encode(prompt, loaded);
  const Interruption interruption;
  TextStream out(*loaded.tokenizer, !options.json);
  out.prompt(prompt.text);
  const auto start = std::chrono::steady_clock::now();
  generate(*loaded.model, ids, options.tokens, options.sampling, [&](int32_t token) {
    out.add(token);
    return !interruption.requested();
  }, options.bf16_cache);
  out.finish();
  if (options.json) print_json(to_json(options, loaded, options.sampling, prompt.text, out));
  tell_speed(int64_t(out.tokens().size()), start, loaded);
  return interruption.exit_code();
}

// A continuation to be drawn: a prompt, and its own sampling stream.
struct Row {
  const Prompt* prompt;
  std::vector<int32_t> ids;
  SamplingOptions sampling;
};

// Each prompt with `samples` seeds, counted up from --seed.
std::vector<Row> rows_of(const GenerateOptions& options, const LoadedModel& loaded,
                         const std::vector<Prompt>& prompts) {
  std::vector<Row> rows;
  for (const Prompt& prompt : prompts) {
    const std::vector<int32_t> ids = encode(prompt, loaded);
    for (int64_t i = 0; i < options.samples; ++i) {
      rows.push_back({&prompt, ids, options.sampling});
      rows.back().sampling.seed += uint64_t(i);
    }
  }
  return rows;
}

// "==> 2 of 3" and the text, or one JSON object on a line.
void show_row(const GenerateOptions& options, const LoadedModel& loaded, const Row& row, TextStream& out,
              size_t number, size_t count) {
  out.finish();
  if (options.json) {
    print(dump(to_json(options, loaded, row.sampling, row.prompt->text, out), -1) + "\n");
    return;
  }
  const std::string seed = options.samples > 1 ? ", seed " + std::to_string(row.sampling.seed) : "";
  print((number > 1 ? "\n==> " : "==> ") + std::to_string(number) + " of " + std::to_string(count) + seed +
        "\n" + shown(row.prompt->text) + out.text() + "\n");
}

// Several continuations: in batches that bound the memory, each block shown when its batch is done.
int show_many(const GenerateOptions& options, const LoadedModel& loaded, const std::vector<Prompt>& prompts) {
  constexpr size_t kRowsAtOnce = 64;
  const std::vector<Row> rows = rows_of(options, loaded, prompts);
  const Interruption interruption;
  const auto start = std::chrono::steady_clock::now();
  int64_t tokens = 0;
  for (size_t first = 0; first < rows.size() && !interruption.requested(); first += kRowsAtOnce) {
    const size_t count = std::min(kRowsAtOnce, rows.size() - first);
    std::vector<std::vector<int32_t>> ids;
    std::vector<SamplingOptions> sampling;
    std::vector<TextStream> texts;
    for (size_t r = first; r < first + count; ++r) {
      ids.push_back(rows[r].ids), sampling.push_back(rows[r].sampling);
      texts.emplace_back(*loaded.tokenizer, false);
    }
    generate_batch(*loaded.model, ids, options.tokens, sampling, [&](int64_t row, int32_t token) {
      texts[size_t(row)].add(token);
      ++tokens;
      return !interruption.requested();
    }, options.bf16_cache);
    for (size_t r = 0; r < count; ++r)
      show_row(options, loaded, rows[first + r], texts[r], first + r + 1, rows.size());
    flush_output();
  }
  tell_speed(tokens, start, loaded);
  return interruption.exit_code();
}

LoadedModel open(const GenerateOptions& options, const ModelFactory& factory) {
  const std::string& p = options.precision;
  if (p.empty()) return open_model(options.source, factory);
  if (p == "bf16") return open_model_in_bf16(options.source, factory);
  if (p == "float32" || p == "float64") return open_model(options.source, factory, precision_named(p));
  throw UsageError("--precision is \"" + p + "\", expected float32, float64 or bf16");
}

int generate_command(GenerateOptions options, const ModelFactory& factory) {
  options.compute.apply();
  check(options);
  options.sampling.seed = uint64_t(options.seed);
  const LoadedModel loaded = open(options, factory);
  options.bf16_cache = bf16_cache(options.cache, *loaded.model, loaded.path);
  const std::vector<Prompt> prompts = prompts_of(options);
  const bool many = !options.prompt_file.empty() || prompts.size() > 1 || options.samples > 1;
  return many ? show_many(options, loaded, prompts) : stream_one(options, loaded, prompts[0]);
}

}  // namespace

Action declare_generate(CLI::App& app) {
  auto options = std::make_shared<GenerateOptions>();
  SamplingOptions& s = options->sampling;
  declare_source(app, options->source);
  auto* prompt = app.add_option("--prompt", options->prompts,
                                "what the text begins with; - reads it from stdin; may be given again")
                     ->type_name("TEXT")
                     ->expected(1)
                     ->take_all()
                     ->allow_extra_args(false);
  app.add_option("--prompts", options->prompt_file, "a file with one prompt a line, UTF-8; - is stdin")
      ->type_name("FILE")
      ->excludes(prompt);
  app.add_option("--tokens", options->tokens, "how many to add")->type_name("N")->capture_default_str();
  app.add_option("--temperature", s.temperature, "0: always the likeliest token")
      ->type_name("T")
      ->capture_default_str();
  app.add_option("--top-k", s.top_k, "only the K likeliest tokens; 0: all")
      ->type_name("K")
      ->capture_default_str();
  app.add_option("--top-p", s.top_p, "only the likeliest tokens that together reach P")
      ->type_name("P")
      ->capture_default_str();
  app.add_option("--seed", options->seed, "the same seed gives the same text")
      ->type_name("S")
      ->capture_default_str();
  app.add_option("--samples", options->samples, "continuations of each prompt, with seeds S, S + 1, …")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--precision", options->precision,
                 "float32, float64 or bf16 (half the bytes of weights to read a token); default: that of the run")
      ->type_name("TYPE");
  declare_cache(app, options->cache);
  app.add_flag("--json", options->json,
               "prompt, text and token ids as one JSON document at the end; of several, one a line");
  declare_compute(app, options->compute);
  app.footer(
      "The prompt and its continuation go to stdout. Bytes that are no UTF-8 are shown as U+FFFD.\n"
      "Several prompts or samples run as one batch, each to the bits of its own run; each ends as one "
      "block.\n"
      "Example: adder generate runs/bible --prompt 'In the beginning' --samples 3 --temperature 0.8");
  return [options](const ModelFactory& factory) { return generate_command(*options, factory); };
}

}  // namespace adder
