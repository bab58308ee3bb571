// A model of ours as a folder that other programs read: Hugging Face's (mamba, mamba2, gpt2, llama), and
// torch's nn.RNN, nn.LSTM and nn.GRU by name (torch; its config.json is parity-lm/1's). The tables of
// foreign_layout.h are the way in and the way out: a config.json is written, read back as an import would,
// and has to give the same model.
//   config.json  model.safetensors; of Hugging Face also generation_config.json; tokenizer.json and
//   tokenizer_config.json where the model has a tokenizer
#pragma once
#include <string>
#include <vector>

#include "framework/interop/foreign_format.h"
#include "framework/training/model_file.h"

namespace adder {

struct ExportOptions {
  std::string format = "";  // "": the one that fits
  std::string dtype = "";  // float32, bfloat16, float64; "": that of the weights. In a bfloat16 file A_log, D
                           // and the biases of the time steps stay float32
};

// All that will be written, made before anything is.
struct ForeignFolder {
  std::string format, dtype, tokenizer;  // tokenizer: its name, or ""
  ForeignJson config;
  struct Item {
    std::string name;
    Tensor value;
    bool bfloat16 = false;
  };
  std::vector<Item> tensors;
  std::string tokenizer_json;         // "": none
  std::vector<std::string> cautions;  // what a reader should know of programs that misread it
  bool hugging_face = false;

  int64_t bytes() const;  // of the tensors
};

// UsageError: which keys of the model's config the format cannot express, all of them; where no format was
// asked for and none fits, those of each.
ForeignFolder foreign_folder(const LoadedModel& loaded, const ModelFactory& factory,
                             const ExportOptions& options);

// `path` is new or an empty folder, else a UsageError; it is there whole or not at all.
void write_foreign_folder(const ForeignFolder& folder, const std::string& path);

}  // namespace adder
