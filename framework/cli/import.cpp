// adder import: a Hugging Face folder becomes a checkpoint, which keeps the names that its tensors had.
#include <CLI/CLI.hpp>
#include <filesystem>

#include "framework/cli/command.h"
#include "framework/cli/open_model.h"
#include "framework/cli/output.h"
#include "framework/cli/starting_weights.h"
#include "framework/cli/version.h"
#include "framework/core/error.h"
#include "framework/training/checkpoint.h"

namespace adder {
namespace {

namespace fs = std::filesystem;

struct ImportOptions {
  std::string folder, checkpoint;
  bool force = false, json = false;
};

void check_target(const ImportOptions& options) {
  std::error_code error;
  const fs::path target(options.checkpoint), parent = target.parent_path();
  if (fs::is_directory(target, error))
    throw UsageError(options.checkpoint + ": is a folder, expected the name of a file such as mamba.h5");
  if (!options.force && fs::exists(target, error))
    throw UsageError(options.checkpoint + ": is there already; --force overwrites it");
  if (!parent.empty() && !fs::is_directory(parent, error))
    throw UsageError(options.checkpoint + ": there is no folder " + parent.string());
}

// What a run would have said of these weights.
Config config_of(const StartingWeights& weights) {
  Config config;
  fs::path folder = fs::path(weights.where).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  const std::string name = folder.filename().string();
  config.name = name.empty() || name == "." || name == ".." ? "imported" : name;
  config.precision = weights.dtype == DType::f64 ? "float64" : "float32";
  config.initialize.from = weights.where;
  config.model = weights.model;
  config.schedule.decay_steps = config.training.steps;
  return config;
}

int import_command(const ImportOptions& options, const ModelFactory& factory) {
  check_target(options);
  const StartingWeights weights = read_foreign_weights(options.folder, factory);
  const Config config = config_of(weights);
  const auto model = factory.make(config.model, weights.vocabulary, uint64_t(config.seed), config.dtype());
  fill_parameters(model->parameters(), weights.tensors, weights.where);
  Checkpoint checkpoint;
  checkpoint.model = stored_parameters(model->parameters());
  checkpoint.config_json = to_json(config);
  checkpoint.source_json = weights.source_json;
  if (weights.tokenizer) checkpoint.tokenizer_json = weights.tokenizer->to_json();
  checkpoint.attributes = {{"version", version() + " (commit " + commit() + ")"}};
  write_checkpoint(options.checkpoint, checkpoint);
  const int64_t count = model->parameters().count();
  if (options.json) {
    JsonValue result = JsonValue::object();
    result.set("checkpoint", options.checkpoint);
    result.set("architecture", config.model.architecture);
    result.set("parameters", count);
    result.set("vocabulary", weights.vocabulary);
    result.set("tokenizer", weights.tokenizer ? JsonValue(weights.tokenizer->name()) : JsonValue());
    print_json(result);
  } else {
    print(options.checkpoint + ": " + config.model.architecture + ", " + with_commas(count) +
          " parameters, vocabulary " + with_commas(weights.vocabulary) + ", " +
          (weights.tokenizer ? "tokenizer " + weights.tokenizer->name() : "no tokenizer") + "\n");
  }
  return kOk;
}

}  // namespace

Action declare_import(CLI::App& app) {
  auto options = std::make_shared<ImportOptions>();
  app.add_option("DIR", options->folder, "a folder with config.json and model.safetensors")
      ->required()
      ->type_name("PATH");
  app.add_option("CHECKPOINT", options->checkpoint, "the file to write, such as mamba.h5")
      ->required()
      ->type_name("FILE");
  app.add_flag("--force", options->force, "overwrite the file");
  app.add_flag("--json", options->json, "the result as one JSON document");
  return [options](const ModelFactory& factory) { return import_command(*options, factory); };
}

}  // namespace adder
