#include "framework/cli/probe_source.h"

#include <algorithm>

#include "framework/cli/open_model.h"
#include "framework/cli/output.h"
#include "framework/cli/probe_dump.h"
#include "framework/cli/run_data.h"
#include "framework/cli/starting_weights.h"
#include "framework/core/error.h"
#include "framework/data/tasks/task_data.h"
#include "framework/gradient_lab/probe.h"
#include "framework/measure/random_tokens.h"

namespace adder {
namespace {

struct Opened {
  Config config;
  std::string where, model;
  int64_t vocabulary = 0;
  std::unique_ptr<Model> net;
  TokenizerPtr tokenizer;  // null: as the config says
  Tensor ids = {}, labels = {};  // of a dump: what its step read
};

void refuse(const Config& config, const std::string& where) {
  const std::string start = where + ": model.architecture is \"" + config.model.architecture + "\", which ";
  if (config.model.counts)
    throw UsageError(start + "learns by counting and has no gradients to probe; adder probe takes every other architecture");
  const bool real = config.data.task.given() && config.data.task.options->features() > 0;
  if (real || config.model.features > 0)
    throw UsageError(start + "here reads real inputs" + (real ? " (data.task " + config.data.task.name + ")" : "") +
                     "; adder probe takes models that read token ids");
}

Opened of_config(const ProbeSourceOptions& options, const ModelFactory& factory) {
  if (options.best) throw UsageError("--best chooses among a run's checkpoints, but " + options.path + " is a config");
  PlannedOptions asked = options.planned;
  asked.config = options.path;
  refuse(load_config(asked.config, asked.settings, factory), options.path);
  auto [config, vocabulary] = load_planned(asked, factory);
  refuse(config, options.path);
  Opened o{config, options.path, options.path, vocabulary, nullptr, nullptr};
  o.net = factory.make(config.model, vocabulary, uint64_t(config.seed), DType::f64);
  if (config.initialize.from.empty()) {
    o.model += ", at initialisation (seed " + std::to_string(config.seed) + ")";
    return o;
  }
  const StartingWeights weights = read_weights(config.initialize.from, factory);
  if (weights.vocabulary != vocabulary)
    throw UsageError("--vocabulary is " + std::to_string(vocabulary) + ", but " + weights.where + " (initialize.from) has " +
                     std::to_string(weights.vocabulary));
  fill_parameters(o.net->parameters(), weights.tensors, weights.where);
  o.tokenizer = weights.tokenizer;
  o.model += ", weights of " + weights.where;
  return o;
}

Opened of_checkpoint(const ProbeSourceOptions& options, const ModelFactory& factory) {
  if (!options.planned.settings.empty() || options.planned.vocabulary)
    throw UsageError("--set and --vocabulary change a config; " + options.path +
                     " is a run or a checkpoint, whose model is what it is");
  LoadedModel loaded = open_model({options.path, options.best}, factory, DType::f64);
  refuse(loaded.config, loaded.path);
  Opened o{loaded.config, loaded.path, shown_checkpoint(loaded), loaded.model->vocabulary(), nullptr, loaded.tokenizer};
  o.net = std::move(loaded.model);
  o.ids = dumped(loaded.checkpoint, "ids"), o.labels = dumped(loaded.checkpoint, "labels");
  return o;
}

// ---- tokens -------------------------------------------------------------------------------------

// Evenly spread over the text.
void take_windows(ProbeSource& source, const TokenSpan& tokens, int64_t probes, int64_t length, const std::string& name) {
  if (tokens.size() < length + 1)
    throw UsageError(name + " has " + with_commas(tokens.size()) + " tokens, expected at least " + with_commas(length + 1) +
                     ": --length and one more; give a smaller --length");
  source.ids = Tensor::empty({probes, length}, DType::i32), source.labels = Tensor::empty({probes, length}, DType::i32);
  const int64_t room = tokens.size() - length - 1;
  for (int64_t p = 0; p < probes; ++p) {
    const int64_t start = probes > 1 ? room / (probes - 1) * p : 0;
    tokens.copy(start, length, source.ids.data<int32_t>() + p * length);
    tokens.copy(start + 1, length, source.labels.data<int32_t>() + p * length);
  }
  source.text = name;
}

void take_random(ProbeSource& source, int64_t vocabulary, int64_t probes, int64_t length) {
  const Batch batch = RandomTokens(vocabulary, probes, length).at(0);
  source.ids = batch.ids, source.labels = batch.labels;
  source.text = "random tokens, each of " + with_commas(vocabulary) + " as likely";
}

// Held-out examples, up to the last position at which all of them are scored.
void take_task(ProbeSource& source, const Opened& o, int64_t probes, int64_t length) {
  const TaskConfig& c = o.config.data.task;
  const int64_t wanted = length ? length : c.options->length;
  if (const std::string problem = c.options->problem(wanted); !problem.empty())
    throw UsageError("--length " + std::to_string(wanted) + ": " + problem);
  const Batch batch = evaluation_examples(task_of(c), uint64_t(o.config.seed), wanted, 0, probes);
  int64_t last = batch.labels.dim(1) - 1;
  const auto scored = [&](int64_t t) {
    for (int64_t p = 0; p < probes; ++p)
      if (batch.labels.data<int32_t>()[p * batch.labels.dim(1) + t] == kIgnoreLabel) return false;
    return true;
  };
  while (last >= 0 && !scored(last)) --last;
  if (last + 1 < lab::kLeastTokens)
    throw UsageError(o.where + ": the examples of " + c.name + " of length " + std::to_string(wanted) +
                     " are scored together at position " + std::to_string(last + 1) + " at the latest, expected at least " +
                     std::to_string(lab::kLeastTokens) + "; give a larger --length, or --random");
  source.ids = batch.ids.narrow(1, 0, last + 1).clone(), source.labels = batch.labels.narrow(1, 0, last + 1).clone();
  source.text = "held-out examples of " + c.name + " of length " + std::to_string(wanted);
}

// The first rows of the step that was dumped.
void take_dump(ProbeSource& source, const Opened& o, int64_t probes) {
  const int64_t rows = std::min(probes, o.ids.dim(0));
  source.ids = lab::some_rows(o.ids, 0, rows), source.labels = lab::some_rows(o.labels, 0, rows);
  source.text = "the batch of the step that the guard stopped";
  source.dump = o.where;
}

RunText text_or_advice(const Opened& o) {
  try {
    return load_text(o.config, 1, o.tokenizer, o.where);
  } catch (const UnreadableError& problem) {
    throw UnreadableError(std::string(problem.what()) + "; --random does without");
  }
}

void take_tokens(ProbeSource& source, const Opened& o, const ProbeSourceOptions& options) {
  const int64_t context = std::min(o.config.training.context_length, kMostTokens);
  const int64_t length = options.length ? options.length : std::max(context, lab::kLeastTokens);
  const bool text = !o.config.data.train.empty() || o.config.data.is_generated();
  if (o.ids.defined()) return take_dump(source, o, options.probes);
  if (options.random || options.planned.vocabulary) return take_random(source, o.vocabulary, options.probes, length);
  if (o.config.data.task.given()) return take_task(source, o, options.probes, options.length);
  if (!text) return take_random(source, o.vocabulary, options.probes, length);
  const TokenDataset data = text_or_advice(o).data;
  const bool held_out = data.validation.size() > 0;
  take_windows(source, held_out ? data.validation : data.train, options.probes, length,
               held_out ? "the validation split" : "the training split");
}

}  // namespace

ProbeSource open_probe(const ProbeSourceOptions& options, const ModelFactory& factory) {
  if (options.length != 0 && options.length < lab::kLeastTokens)
    throw UsageError("--length is " + std::to_string(options.length) + ", expected at least " +
                     std::to_string(lab::kLeastTokens));
  if (options.probes < 1) throw UsageError("--probes is " + std::to_string(options.probes) + ", expected at least 1");
  Opened o = options.path.ends_with(".json") ? of_config(options, factory) : of_checkpoint(options, factory);
  ProbeSource source;
  source.architecture = o.config.model.architecture;
  source.model = o.model + ", " + source.architecture + ", " + with_commas(o.net->parameters().count()) + " parameters";
  source.net = std::move(o.net);
  source.config = o.config, source.vocabulary = o.vocabulary;
  take_tokens(source, o, options);
  source.text = std::to_string(source.ids.dim(0)) + " stretches of " + with_commas(source.ids.dim(1)) + " tokens: " + source.text;
  return source;
}

}  // namespace adder
