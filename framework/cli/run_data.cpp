#include "framework/cli/run_data.h"

#include "framework/data/hash.h"

namespace adder {

Documents documents_of(const Config& config) {
  return config.data.documents == "separate" ? Documents::separate : Documents::joined;
}

DatasetOptions dataset_options(const Config& config, int64_t context_length) {
  const DataConfig& d = config.data;
  DatasetOptions options;
  options.train = d.train;
  options.validation = d.validation;
  options.test = d.test;
  options.validation_fraction = d.validation_fraction;
  options.test_fraction = d.test_fraction;
  options.separator = d.separator;
  options.documents = documents_of(config);
  options.tokenizer = d.tokenizer;
  options.context_length = context_length;
  return options;
}

GeneratedOptions generated_options(const Config& config) {
  const GeneratedConfig& g = config.data.generated;
  GeneratedOptions options;
  options.name = g.name;
  options.symbols = g.symbols, options.order = g.order, options.states = g.states;
  options.concentration = g.concentration, options.emission_concentration = g.emission_concentration;
  options.persistence = g.persistence;
  options.train_tokens = g.train_tokens, options.validation_tokens = g.validation_tokens;
  options.test_tokens = g.test_tokens;
  options.seed = uint64_t(g.seed);
  return options;
}

RunText load_text(const Config& config, int64_t context_length, TokenizerPtr tokenizer, const std::string& owner) {
  RunText text;
  if (config.data.is_generated()) {
    const GeneratedOptions options = generated_options(config);
    text.source = make_source(options);
    text.data = generate_dataset(*text.source, options, context_length);
    return text;
  }
  DatasetOptions options = dataset_options(config, context_length);
  if (!owner.empty()) options.tokenizer_owner = owner;
  text.data = TokenDataset::load(options, std::move(tokenizer));
  return text;
}

std::string data_hash(const TokenDataset& data) {
  return hash_hex(data.train.hash() + data.validation.hash() + data.test.hash());
}

namespace {

void add(const Batch& batch, ContentHash& hash) {
  for (const Tensor& part : {batch.ids, batch.labels, batch.features, batch.targets}) {
    if (!part.defined()) continue;
    const Tensor values = part.contiguous() ? part : part.clone();
    hash.add(values.raw(), size_t(values.size()) * bytes_of(values.dtype()));
  }
}

}  // namespace

std::string data_hash(const FileBatches& batches, int64_t accumulate) {
  ContentHash hash;
  for (int64_t k = 0; k < batches.count(); ++k) add(batches.at(k / accumulate, k % accumulate), hash);
  return hash.hex();
}

std::string data_hash(const TaskBatches& batches) {
  ContentHash hash;
  add(batches.at(0), hash);
  return hash.hex();
}

}  // namespace adder
