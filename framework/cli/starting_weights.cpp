#include "framework/cli/starting_weights.h"

#include <filesystem>

#include "framework/cli/output.h"
#include "framework/core/error.h"
#include "framework/interop/foreign_model.h"
#include "framework/interop/hf_tokenizer.h"
#include "framework/training/model_file.h"
#include "framework/training/run_folder.h"

namespace adder {
StartingWeights read_foreign_weights(const std::string& folder, const ModelFactory& factory) {
  const ForeignModel foreign = read_foreign_model(folder);
  StartingWeights weights;
  weights.where = folder;
  weights.model =
      model_config(foreign.model_json, (std::filesystem::path(folder) / "config.json").string(), factory);
  weights.vocabulary = foreign.vocabulary;
  weights.tokenizer = read_hf_tokenizer(folder);
  if (weights.tokenizer && weights.tokenizer->vocabulary() != weights.vocabulary)
    throw UnreadableError(folder + ": tokenizer.json has " + std::to_string(weights.tokenizer->vocabulary()) +
                          " ids, config.json a vocabulary of " + std::to_string(weights.vocabulary) +
                          "; they don't belong together");
  weights.source_json = source_json(foreign);
  for (const ForeignTensor& tensor : foreign.tensors) {
    weights.tensors.push_back({tensor.ours, tensor.value});
    if (tensor.value.dtype() == DType::f64) weights.dtype = DType::f64;
  }
  return weights;
}

StartingWeights read_weights(const std::string& from, const ModelFactory& factory) {
  if (is_foreign_folder(from)) return read_foreign_weights(from, factory);
  LoadedModel loaded = load_model(resolve_checkpoint(from, false, warn), factory);
  if (!loaded.model->differentiable())
    throw UsageError(loaded.path + ": the architecture " + loaded.config.model.architecture +
                     " counts a text; there are no weights to start from");
  StartingWeights weights;
  weights.where = loaded.path;
  weights.model = loaded.config.model;
  weights.dtype = loaded.config.dtype();
  weights.vocabulary = loaded.model->vocabulary();
  weights.tokenizer = loaded.tokenizer;
  weights.tensors = std::move(loaded.checkpoint.model);
  weights.source_json = loaded.checkpoint.source_json;
  return weights;
}

}  // namespace adder
