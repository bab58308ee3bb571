// adder eval: the loss of a trained model on a text, as a full pass; or how well it solves its task.
#include <CLI/CLI.hpp>

#include "framework/cli/cache_option.h"
#include "framework/cli/command.h"
#include "framework/cli/compute_options.h"
#include "framework/cli/eval_task.h"
#include "framework/cli/open_model.h"
#include "framework/cli/output.h"
#include "framework/cli/run_data.h"
#include "framework/core/error.h"
#include "framework/data/token_files.h"
#include "framework/inference/evaluate.h"
#include "framework/inference/excess.h"

namespace adder {
namespace {

struct EvalOptions {
  ModelSource source;
  std::vector<std::string> data;
  std::string split = "validation";
  int64_t window = 0, stride = 0;
  std::string state, cache;
  EvalTaskOptions task;
  bool json = false, by_position = false;
  ComputeOptions compute;
};

struct EvalText {
  TokenSpan tokens;
  std::string name;           // "the validation split", "a.txt"
  TextSourcePtr source = {};  // that drew the tokens; null: it isn't known
};

// What the source of the text lost on the tokens that were scored.
struct PairedFloor {
  std::string source;
  std::optional<double> entropy_rate;
  Excess excess;
};

EvalText files(const EvalOptions& options, const LoadedModel& loaded) {
  EvalText text;
  for (const std::string& file : options.data) text.name += (text.name.empty() ? "" : ", ") + file;
  text.tokens = TokenFiles::open(options.data, loaded.config.data.separator, "--data")
                    .tokens(*loaded.tokenizer, documents_of(loaded.config), loaded.path);
  return text;
}

EvalText split(const EvalOptions& options, const LoadedModel& loaded) {
  if (loaded.config.data.train.empty() && !loaded.config.data.is_generated())
    throw UsageError(loaded.path + ": its config names no text (data.train); give one with --data");
  const RunText text = load_text(loaded.config, 1, loaded.tokenizer, loaded.path);
  const TokenDataset& data = text.data;
  if (!loaded.checkpoint.data_hash.empty() && data_hash(data) != loaded.checkpoint.data_hash)
    warn("the text has changed since this model was trained on it; the " + options.split +
         " split may hold tokens that it has seen");
  const TokenSpan& tokens = options.split == "train"  ? data.train
                            : options.split == "test" ? data.test
                                                      : data.validation;
  if (tokens.size() == 0)
    throw UsageError(loaded.path + ": its config leaves no " + options.split +
                     " split; choose another with --split, or give --data");
  return {tokens, "the " + options.split + " split", text.source};
}

EvalText text_of(const EvalOptions& options, const LoadedModel& loaded) {
  if (!loaded.tokenizer)
    throw UsageError(
        loaded.path +
        ": has no tokenizer (its weights were imported, or its batches ready-made), so no text can be read");
  EvalText text = options.data.empty() ? split(options, loaded) : files(options, loaded);
  if (text.tokens.size() < 2)
    throw UnreadableError(text.name + " has " + std::to_string(text.tokens.size()) +
                          " tokens, expected at least 2: each token after the first is scored");
  return text;
}

EvaluationOptions window_options(const EvalOptions& options, const Config& config) {
  EvaluationOptions result;
  const std::string state = options.state.empty() ? config.evaluation.state : options.state;
  if (state != "reset" && state != "carry")
    throw UsageError("--state is \"" + state + "\", expected reset or carry");
  result.carry = state == "carry";
  result.window = options.window ? options.window : config.evaluation_window();
  const bool window_alone = options.window || options.state == "carry";
  result.stride = options.stride ? options.stride : window_alone ? result.window : config.evaluation_stride();
  if (result.window < 1)
    throw UsageError("--window is " + std::to_string(result.window) + ", expected at least 1");
  if (result.stride < 1 || result.stride > result.window)
    throw UsageError("--stride is " + std::to_string(result.stride) + ", expected 1 to the window, " +
                     std::to_string(result.window) + ", or tokens would be left out");
  if (result.carry && result.stride != result.window)
    throw UsageError("--stride is " + std::to_string(result.stride) + ", the window " +
                     std::to_string(result.window) +
                     "; a carried state needs both to be the same: leave --stride out");
  return result;
}

void check_split(const std::string& split) {
  if (split != "train" && split != "validation" && split != "test")
    throw UsageError("--split is \"" + split + "\", expected validation, test or train");
}

// Options of text say nothing to a task, nor the other way round.
void check_kind(const EvalOptions& o, const LoadedModel& loaded) {
  const bool text = !o.data.empty() || o.split != "validation" || o.window || o.stride || !o.state.empty() || o.by_position;
  if (o.task.examples < 0)
    throw UsageError("--examples is " + std::to_string(o.task.examples) + ", expected at least 1, or 0: the config's");
  if (loaded.config.data.task.given() && text)
    throw UsageError(loaded.path + ": was trained on the task " + loaded.config.data.task.name +
                     ", which has no text; --data, --split, --window, --stride, --state and --by-position are for text, "
                     "--length and --examples for tasks");
  if (!loaded.config.data.task.given() && (!o.task.lengths.empty() || o.task.examples))
    throw UsageError(loaded.path + ": was trained on no task (data.task); --length and --examples are for tasks");
}

JsonValue positions_json(const Evaluation& e) {
  JsonValue list = JsonValue::array();
  for (size_t i = 0; i < e.by_position.size(); ++i) {
    JsonValue row = JsonValue::object();
    row.set("position", int64_t(i));
    row.set("loss", e.by_position[i]);
    row.set("count", e.position_counts[i]);
    list.push(std::move(row));
  }
  return list;
}

JsonValue to_json(const LoadedModel& loaded, const EvalText& text, const EvaluationOptions& o,
                  const Evaluation& e, const std::optional<PairedFloor>& floor, bool by_position) {
  JsonValue result = describe(loaded);
  result.set("text", text.name);
  result.set("tokens", e.tokens);
  result.set("bytes", e.bytes);
  result.set("window", o.window);
  result.set("stride", o.stride);
  result.set("state", std::string(o.carry ? "carry" : "reset"));
  if (o.bf16_cache) result.set("cache", "bf16");
  result.set("loss", e.loss());
  result.set("perplexity", e.perplexity());
  if (e.bytes > 0) result.set("bits_per_byte", e.bits_per_byte());
  if (floor) {
    JsonValue& known = result.set("floor", JsonValue::object());
    known.set("source", floor->source);
    if (floor->entropy_rate) known.set("entropy_rate", *floor->entropy_rate);
    known.set("loss", floor->excess.floor);
    known.set("excess", floor->excess.mean);
    known.set("standard_error", floor->excess.standard_error);
  }
  if (by_position) result.set("by_position", positions_json(e));
  return result;
}

void print_text(const LoadedModel& loaded, const EvalText& text, const EvaluationOptions& o,
                const Evaluation& e, const std::optional<PairedFloor>& floor, bool by_position) {
  std::vector<std::pair<std::string, std::string>> facts = {
      {"checkpoint", shown_checkpoint(loaded)},
      {"text", text.name + ": " + with_commas(e.tokens) + " tokens, each after the first" +
                   (text.tokens.documents_marked() ? " of its document" : "") + " once" +
                   (e.bytes > 0 ? " (" + with_commas(e.bytes) + " bytes)" : "")},
      {"windows", with_commas(o.window) + " tokens, stride " + with_commas(o.stride) +
                      (o.carry ? ", state carried from one to the next" : ", state reset before each") +
                      (o.bf16_cache ? ", keys and values in bfloat16" : "")},
      {"loss", decimals(e.loss(), 4) + " nats a token"},
      {"perplexity", significant(e.perplexity(), 5)},
  };
  if (e.bytes > 0) facts.emplace_back("bits a byte", decimals(e.bits_per_byte(), 4));
  if (floor) {
    const std::string rate =
        floor->entropy_rate ? " (in the long run " + decimals(*floor->entropy_rate, 4) + ")" : "";
    facts.emplace_back("floor", decimals(floor->excess.floor, 4) + " nats a token: what the " + floor->source +
                                   " itself loses on the same tokens" + rate);
    facts.emplace_back("excess", decimals(floor->excess.mean, 5) + " nats a token, standard error " +
                                    significant(floor->excess.standard_error, 2) + " (paired, token by token)");
  }
  print(aligned(facts));
  if (!by_position) return;
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < e.by_position.size(); ++i)
    rows.push_back({std::to_string(i), decimals(e.by_position[i], 4), with_commas(e.position_counts[i])});
  print("\n" + table({"position", "loss", "tokens"}, rows, 0));
}

// Each token after the first is scored once, in order: so are the source's losses.
std::optional<PairedFloor> floor_of(const EvalText& text, const std::vector<double>& losses) {
  if (!text.source) return std::nullopt;
  const std::vector<double> own = text.source->losses(text.tokens);
  return PairedFloor{text.source->description(), text.source->entropy_rate(),
               excess_over(std::span(own).subspan(1), losses)};
}

int eval_command(const EvalOptions& options, const ModelFactory& factory) {
  options.compute.apply();
  check_split(options.split);
  check_cache(options.cache);
  LoadedModel loaded = open_model(options.source, factory);
  check_kind(options, loaded);
  if (loaded.config.data.task.given()) {
    EvalTaskOptions task = options.task;
    task.bf16_cache = bf16_cache(options.cache, *loaded.model, loaded.path);
    task.json = options.json;
    eval_task(loaded, task);
    return kOk;
  }
  EvaluationOptions windows = window_options(options, loaded.config);
  windows.bf16_cache = bf16_cache(options.cache, *loaded.model, loaded.path);
  std::vector<double> losses;
  windows.token_losses = &losses;
  const EvalText text = text_of(options, loaded);
  const Evaluation result = evaluate(*loaded.model, text.tokens, windows, loaded.tokenizer.get());
  const std::optional<PairedFloor> floor = floor_of(text, losses);
  if (options.json)
    print_json(to_json(loaded, text, windows, result, floor, options.by_position));
  else
    print_text(loaded, text, windows, result, floor, options.by_position);
  return kOk;
}

}  // namespace

Action declare_eval(CLI::App& app) {
  auto options = std::make_shared<EvalOptions>();
  declare_source(app, options->source);
  auto* data = app.add_option("--data", options->data,
                              "files, folders or globs to score (text or token shards), in place of the config's text")
                   ->type_name("FILE");
  app.add_option("--split", options->split, "of the config's text: validation, test or train")
      ->type_name("NAME")
      ->capture_default_str()
      ->excludes(data);
  app.add_option("--window", options->window, "tokens seen at once; default: the config's")->type_name("N");
  app.add_option("--stride", options->stride, "tokens from window to window; default: the window")
      ->type_name("N");
  app.add_option("--state", options->state, "reset before each window, or carry; default: the config's")
      ->type_name("NAME");
  declare_cache(app, options->cache);
  app.add_option("--length", options->task.lengths,
                 "of a task's examples; may be given again; default: all that the config names")
      ->type_name("N")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--examples", options->task.examples, "of a task, held out, a length; default: the config's")
      ->type_name("N");
  app.add_flag("--by-position", options->by_position, "the mean loss at each position of the window, too");
  app.add_flag("--json", options->json, "the result as one JSON document");
  declare_compute(app, options->compute);
  return [options](const ModelFactory& factory) { return eval_command(*options, factory); };
}

}  // namespace adder
