#include "framework/cli/open_model.h"

#include <CLI/CLI.hpp>

#include "framework/cli/output.h"
#include "framework/core/error.h"
#include "framework/training/run_folder.h"
#include "kernels/rehearsal.h"

namespace adder {

void declare_source(CLI::App& app, ModelSource& source) {
  app.add_option("RUN|CHECKPOINT", source.path, "a run's folder (its last checkpoint) or a checkpoint file")
      ->required()
      ->type_name("PATH");
  app.add_flag("--best", source.best, "of a run: the checkpoint of the lowest evaluation loss");
}

LoadedModel open_model(const ModelSource& source, const ModelFactory& factory, DType dtype) {
  LoadedModel loaded = load_model(resolve_checkpoint(source.path, source.best, warn), factory, dtype);
  const ParameterList& parameters = loaded.model->parameters();
  for (size_t i = 0; i < parameters.size(); ++i) parameters[i].value.multiply_in_bf16(false);
  return loaded;
}

LoadedModel open_model(const ModelSource& source, const ModelFactory& factory) {
  const std::string path = resolve_checkpoint(source.path, source.best, warn);
  LoadedModel loaded = load_model(path, factory);
  if (loaded.config.dtype() == DType::f32) return loaded;
  return load_model(path, factory, loaded.config.dtype());
}

LoadedModel open_model_in_bf16(const ModelSource& source, const ModelFactory& factory) {
  LoadedModel loaded = open_model(source, factory, DType::f32);
  ModelConfig config = loaded.config.model;
  config.bf16 = true;
  const kernels::Rehearsal no_weights;
  const auto marked = factory.make(config, loaded.model->vocabulary(), uint64_t(loaded.config.seed), DType::f32);
  const ParameterList &ours = loaded.model->parameters(), &theirs = marked->parameters();
  for (size_t i = 0; i < ours.size(); ++i) ours[i].value.multiply_in_bf16(theirs[i].value.multiplies_in_bf16());
  return loaded;
}

DType precision_named(const std::string& name) {
  if (name == "float32") return DType::f32;
  if (name == "float64") return DType::f64;
  throw UsageError("--precision is \"" + name + "\", expected float32 or float64" +
                   (name == "bf16" ? "; a run of precision bf16 is traced in bf16 without it" : ""));
}

JsonValue describe(const LoadedModel& loaded) {
  JsonValue result = JsonValue::object();
  result.set("checkpoint", loaded.path);
  result.set("step", loaded.checkpoint.step);
  result.set("tokens_trained", loaded.checkpoint.tokens);
  result.set("parameters", loaded.model->parameters().count());
  return result;
}

std::string shown_checkpoint(const LoadedModel& loaded) {
  return loaded.path + " (step " + with_commas(loaded.checkpoint.step) + ")";
}

}  // namespace adder
