// adder generate: a prompt, and how the model goes on; the text appears as it is decoded.
#include "framework/inference/generate.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <chrono>
#include <iostream>
#include <iterator>

#include "framework/cli/command.h"
#include "framework/cli/compute_options.h"
#include "framework/cli/interruption.h"
#include "framework/cli/open_model.h"
#include "framework/cli/output.h"
#include "framework/core/error.h"
#include "framework/data/utf8.h"

namespace adder {
namespace {

struct GenerateOptions {
  ModelSource source;
  std::string prompt;
  int64_t tokens = 200, seed = int64_t(SamplingOptions().seed);
  SamplingOptions sampling;
  bool json = false;
  ComputeOptions compute;
};

void check(const GenerateOptions& o) {
  if (o.tokens < 0) throw UsageError("--tokens is " + std::to_string(o.tokens) + ", expected 0 or more");
  if (!(o.sampling.temperature >= 0) || !std::isfinite(o.sampling.temperature))
    throw UsageError("--temperature is " + significant(o.sampling.temperature, 6) +
                     ", expected 0 (always the likeliest) or more");
  if (o.seed < 0) throw UsageError("--seed is " + std::to_string(o.seed) + ", expected 0 or more");
  if (o.sampling.top_k < 0)
    throw UsageError("--top-k is " + std::to_string(o.sampling.top_k) + ", expected 0 (all) or more");
  if (!(o.sampling.top_p > 0 && o.sampling.top_p <= 1))
    throw UsageError("--top-p is " + significant(o.sampling.top_p, 6) + ", expected above 0 and at most 1");
}

std::string prompt_text(const std::string& option) {
  if (option != "-") return option;
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

std::vector<int32_t> encode(const std::string& prompt, const LoadedModel& loaded) {
  if (!loaded.tokenizer)
    throw UsageError(loaded.path +
                     ": has no tokenizer (its weights were imported, or its batches ready-made), so no "
                     "prompt can be read");
  if (prompt.empty()) throw UsageError("--prompt is empty, expected at least one character");
  try {
    return loaded.tokenizer->encode(prompt);
  } catch (const UnreadableError& problem) {
    throw UsageError(std::string("--prompt: ") + problem.what());
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

JsonValue to_json(const LoadedModel& loaded, const GenerateOptions& o, const std::string& prompt,
                  const TextStream& out) {
  JsonValue result = describe(loaded);
  result.set("temperature", o.sampling.temperature);
  result.set("top_k", o.sampling.top_k);
  result.set("top_p", o.sampling.top_p);
  result.set("seed", o.seed);
  result.set("prompt", shown(prompt));
  result.set("text", out.text());
  JsonValue ids = JsonValue::array();
  for (const int32_t id : out.tokens()) ids.push(JsonValue(int64_t(id)));
  result.set("tokens", std::move(ids));
  return result;
}

int generate_command(const GenerateOptions& options, const ModelFactory& factory) {
  options.compute.apply();
  check(options);
  const LoadedModel loaded = open_model(options.source, factory);
  const std::string prompt = prompt_text(options.prompt);
  const std::vector<int32_t> ids = encode(prompt, loaded);
  SamplingOptions sampling = options.sampling;
  sampling.seed = uint64_t(options.seed);
  const Interruption interruption;
  TextStream out(*loaded.tokenizer, !options.json);
  out.prompt(prompt);
  const auto start = std::chrono::steady_clock::now();
  generate(*loaded.model, ids, options.tokens, sampling, [&](int32_t token) {
    out.add(token);
    return !interruption.requested();
  });
  out.finish();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (options.json) print_json(to_json(loaded, options, prompt, out));
  flush_output();
  if (isatty(STDERR_FILENO))
    note(with_commas(int64_t(out.tokens().size())) + " tokens in " + duration(seconds) + " from " +
         shown_checkpoint(loaded));
  return interruption.exit_code();
}

}  // namespace

Action declare_generate(CLI::App& app) {
  auto options = std::make_shared<GenerateOptions>();
  SamplingOptions& s = options->sampling;
  declare_source(app, options->source);
  app.add_option("--prompt", options->prompt, "what the text begins with; - reads it from stdin")
      ->required()
      ->type_name("TEXT");
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
  app.add_flag("--json", options->json, "prompt, text and token ids as one JSON document, at the end");
  declare_compute(app, options->compute);
  app.footer("The prompt and its continuation go to stdout. Bytes that are no UTF-8 are shown as U+FFFD.");
  return [options](const ModelFactory& factory) { return generate_command(*options, factory); };
}

}  // namespace adder
