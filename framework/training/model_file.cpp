#include "framework/training/model_file.h"

#include "framework/core/error.h"
#include "framework/nn/counting_model.h"

namespace adder {

void fill_parameters(const ParameterList& parameters, const std::vector<NamedTensor>& stored, const std::string& path) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    Parameter& p = parameters[i];
    p.value.copy_from(require_tensor(path, "/model", stored, p.name, p.value.shape()));
  }
  for (const NamedTensor& tensor : stored)
    if (!parameters.find(tensor.name))
      throw UnreadableError(path + ": /model/" + tensor.name + " belongs to no parameter of the model that its config describes");
}

std::vector<NamedTensor> stored_parameters(const ParameterList& parameters) {
  std::vector<NamedTensor> tensors;
  for (size_t i = 0; i < parameters.size(); ++i) tensors.push_back({parameters[i].name, parameters[i].value});
  return tensors;
}

namespace {

// The rows of the embedding; a model that counts has none, but always a tokenizer.
int64_t vocabulary_of(const LoadedModel& loaded) {
  const Checkpoint& c = loaded.checkpoint;
  if (loaded.config.model.counts && !loaded.tokenizer) throw UnreadableError(loaded.path + ": /meta/tokenizer is empty");
  if (loaded.config.model.counts) return loaded.tokenizer->vocabulary();
  if (c.model.empty() || c.model[0].value.rank() != 2)
    throw UnreadableError(loaded.path + ": /model does not begin with an embedding");
  const bool real = loaded.config.model.features > 0;  // then what begins it is no embedding
  return real ? 1 : c.model[0].value.dim(0);
}

}  // namespace

LoadedModel load_model(const std::string& checkpoint_path, const ModelFactory& factory, DType dtype, ReadParts parts) {
  LoadedModel loaded;
  loaded.path = checkpoint_path;
  loaded.checkpoint = read_checkpoint(checkpoint_path, parts);
  const Checkpoint& c = loaded.checkpoint;
  try {
    loaded.config = parse_config(c.config_json, checkpoint_path + ":/meta/config", {}, factory, Use::stored);
  } catch (const UsageError& e) {
    throw UnreadableError(e.what());  // it is the file that is at fault, not the command line
  }
  if (!c.tokenizer_json.empty()) loaded.tokenizer = Tokenizer::from_json(c.tokenizer_json, checkpoint_path);
  const int64_t vocabulary = vocabulary_of(loaded);
  if (loaded.tokenizer && loaded.tokenizer->vocabulary() != vocabulary)
    throw UnreadableError(checkpoint_path + ": the tokenizer \"" + loaded.tokenizer->name() + "\" has " +
                          std::to_string(loaded.tokenizer->vocabulary()) + " ids, the embedding " +
                          std::to_string(vocabulary) + " rows; they don't belong together");
  loaded.model = factory.make(loaded.config.model, vocabulary, uint64_t(loaded.config.seed), dtype);
  fill_parameters(loaded.model->parameters(), c.model, checkpoint_path);
  if (auto* counting = dynamic_cast<CountingModel*>(loaded.model.get())) counting->set_counts(c.counts, checkpoint_path);
  return loaded;
}

}  // namespace adder
