// The text of a run: what its config says, as the data layer wants it.
#pragma once
#include <string>

#include "framework/config/config.h"
#include "framework/data/batches.h"
#include "framework/data/dataset.h"
#include "framework/data/generated.h"
#include "framework/data/tasks/task_data.h"

namespace adder {

Documents documents_of(const Config& config);

// `context_length`: what every split must fill at least once.
DatasetOptions dataset_options(const Config& config, int64_t context_length);

GeneratedOptions generated_options(const Config& config);

// The tokens of a run, from files or from a source.
struct RunText {
  TokenDataset data;
  TextSourcePtr source;  // null: files
};
// With `tokenizer` (a stored run's, `owner` says whose) data.tokenizer is not looked at.
RunText load_text(const Config& config, int64_t context_length, TokenizerPtr tokenizer = nullptr,
                  const std::string& owner = "");

// What a checkpoint keeps to know its data again: the tokens of all splits, the batches of a file, or the first that a
// task makes.
std::string data_hash(const TokenDataset& data);
std::string data_hash(const FileBatches& batches, int64_t accumulate);
std::string data_hash(const TaskBatches& batches);

}  // namespace adder
