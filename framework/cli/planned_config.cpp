#include "framework/cli/planned_config.h"

#include "framework/cli/run_data.h"
#include "framework/cli/settings.h"
#include "framework/cli/starting_weights.h"
#include "framework/core/error.h"
#include "framework/data/batches.h"
#include "framework/data/tasks/task.h"

namespace adder {

// The text itself is read only where its characters or its shards make the vocabulary, and of any length.
int64_t vocabulary_of(const Config& config) {
  if (config.data.task.given()) return task_of(config.data.task).vocabulary();
  const std::string& spec = config.data.tokenizer;
  const bool of_the_text = spec == "auto" || spec == "char";
  if (!config.data.batches.empty() && spec == "char")
    throw UsageError("data.tokenizer is \"char\", but data.batches has no text to take the characters from");
  if (!config.data.batches.empty()) return make_tokenizer(spec == "auto" ? "byte" : spec, {})->vocabulary();
  if (!of_the_text && !config.data.is_generated()) return make_tokenizer(spec, {})->vocabulary();
  return load_text(config, 1).data.tokenizer->vocabulary();
}

namespace {

int64_t vocabulary_or_advice(const Config& config) {
  try {
    return vocabulary_of(config);
  } catch (const UnreadableError& problem) {
    throw UnreadableError(std::string(problem.what()) + "; --vocabulary N does without");
  } catch (const UsageError& problem) {
    throw UsageError(std::string(problem.what()) + "; --vocabulary N does without");
  }
}

}  // namespace

void declare_planned(CLI::App& app, PlannedOptions& options) {
  declare_settings(app, options.settings);
  app.add_option("--vocabulary", options.vocabulary, "ids of the vocabulary, where the data are not there to tell")
      ->type_name("N");
}

PlannedConfig load_planned(const PlannedOptions& options, const ModelFactory& factory) {
  if (options.vocabulary < 0)
    throw UsageError("--vocabulary is " + std::to_string(options.vocabulary) + ", expected at least 1, or 0: as the data say");
  PlannedConfig planned{load_config(options.config, options.settings, factory), options.vocabulary};
  Config& config = planned.config;
  if (config.model.counts)
    throw UsageError(options.config + ": model.architecture \"" + config.model.architecture +
                     "\" counts, it takes no training steps; there is nothing to plan or to time");
  if (!config.initialize.from.empty()) {
    const StartingWeights weights = read_weights(config.initialize.from, factory);
    adopt_model(config, weights.model, weights.where);
    if (!planned.vocabulary) planned.vocabulary = weights.vocabulary;
  }
  if (!planned.vocabulary) planned.vocabulary = vocabulary_or_advice(config);
  if (!config.data.batches.empty()) {
    const FileBatches batches(config.data.batches, planned.vocabulary, config.training.accumulate);
    config.training.batch_size = batches.batch_size(), config.training.context_length = batches.length();
  }
  return planned;
}

}  // namespace adder
