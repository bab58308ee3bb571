// Models of ours to export, and what comes back of them.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "framework/config/config.h"
#include "framework/interop/export_model.h"
#include "framework/interop/foreign_model.h"
#include "tests/data/files.h"
#include "tests/models/model_support.h"

namespace adder {

struct ExportCase {
  std::string format, model;  // the keys of the model section
};

// One of each format, with all its biases, and the same without.
inline const std::vector<ExportCase>& export_cases() {
  static const std::vector<ExportCase> list = {
      {"mamba",
       R"("architecture": "mamba", "d_model": 10, "n_layers": 2, "d_state": 3, "bias": true, "norm_eps": 1e-6)"},
      {"mamba", R"("architecture": "mamba", "d_model": 20, "n_layers": 1, "expand": 3, "conv_bias": false,
                   "tie_embeddings": false, "dropout": 0.1, "dt_min": 0.01, "mlp_bias": true)"},
      {"mamba2",
       R"("architecture": "mamba2", "d_model": 10, "n_layers": 2, "d_state": 3, "head_dim": 5, "n_groups": 2,
                    "chunk_size": 4, "bias": true, "dt_limit_max": 0.7)"},
      {"mamba2", R"("architecture": "mamba2", "d_model": 8, "n_layers": 1, "dt_limit_min": 0.01,
                    "tie_embeddings": false)"},
      {"gpt2", R"("architecture": "attention", "d_model": 12, "n_layers": 2, "n_heads": 3, "rotary": "none",
                  "bias": true, "positions": "learned", "max_positions": 16, "norm": "layer_norm", "mlp": "gelu_tanh",
                  "mlp_bias": true)"},
      {"gpt2", R"("architecture": "attention", "d_model": 12, "n_layers": 1, "n_heads": 2, "n_kv_heads": 2,
                  "head_dim": 6, "rotary": "none", "bias": true, "positions": "learned", "max_positions": 20,
                  "norm": "layer_norm", "mlp": "relu", "d_mlp": 7, "mlp_bias": true, "tie_embeddings": false)"},
      {"llama", R"("architecture": "attention", "d_model": 12, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2,
                   "head_dim": 6, "rotary_base": 500, "d_mlp": 13)"},
      {"llama", R"("architecture": "attention", "d_model": 12, "n_layers": 1, "n_heads": 2, "bias": true,
                   "mlp_bias": true, "tie_embeddings": false, "norm_bias": false)"},
      {"torch", R"("architecture": "rnn", "d_model": 9, "n_layers": 2, "norm": "none", "residual": false,
                   "head_bias": true, "tie_embeddings": false)"},
      {"torch", R"("architecture": "rnn", "d_model": 9, "n_layers": 1, "nonlinearity": "relu", "norm": "none",
                   "residual": false, "initialization": "identity")"},
      {"torch", R"("architecture": "lstm", "d_model": 9, "n_layers": 2, "norm": "none", "residual": false,
                   "head_bias": true, "tie_embeddings": false, "forget_bias": 0)"},
      {"torch", R"("architecture": "gru", "d_model": 9, "n_layers": 2, "d_hidden": 9, "norm": "none",
                   "residual": false, "head_bias": true, "tie_embeddings": false)"}};
  return list;
}

constexpr int64_t kExportVocabulary = 17;

// As if read from a checkpoint; its weights are shaken.
inline LoadedModel loaded_model(const std::string& model_keys, DType dtype = DType::f32) {
  LoadedModel loaded;
  loaded.path = "some.h5";
  loaded.config =
      parse_config("{\"model\": {" + model_keys + "}}", "test", {}, model_registry(), Use::stored);
  loaded.model = make_model(loaded.config.model, kExportVocabulary, dtype);
  shake(*loaded.model);
  return loaded;
}

inline ForeignFolder folder_of(const LoadedModel& loaded, const ExportOptions& options = {}) {
  return foreign_folder(loaded, model_registry(), options);
}

// The model that an import makes of a folder.
inline LoadedModel imported(const std::string& folder, DType dtype = DType::f32) {
  const ForeignModel foreign = read_foreign_model(folder);
  LoadedModel loaded;
  loaded.path = folder;
  loaded.config.model = model_config(foreign.model_json, folder, model_registry());
  loaded.model = make_model(loaded.config.model, foreign.vocabulary, dtype);
  std::vector<NamedTensor> tensors;
  for (const ForeignTensor& t : foreign.tensors) tensors.push_back({t.ours, t.value});
  fill_parameters(loaded.model->parameters(), tensors, folder);
  return loaded;
}

}  // namespace adder
