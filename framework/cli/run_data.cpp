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

std::string data_hash(const TokenDataset& data) {
  return hash_hex(data.train.hash() + data.validation.hash() + data.test.hash());
}

std::string data_hash(const FileBatches& batches, int64_t accumulate) {
  ContentHash hash;
  for (int64_t k = 0; k < batches.count(); ++k) {
    const Batch batch = batches.at(k / accumulate, k % accumulate);
    for (const Tensor& part : {batch.ids, batch.labels}) {
      const Tensor values = part.contiguous() ? part : part.clone();
      hash.add(values.raw(), size_t(values.size()) * bytes_of(values.dtype()));
    }
  }
  return hash.hex();
}

}  // namespace adder
