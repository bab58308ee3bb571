// Small models of every architecture, and texts for them.
#pragma once
#include <gtest/gtest.h>

#include "framework/checks/check_op.h"
#include "framework/config/config.h"
#include "tests/models/model_support.h"

namespace adder {

constexpr int64_t kLabVocabulary = 11;

// Two blocks of width 8, away from where they start; `more`: further keys of "model".
inline std::unique_ptr<Model> lab_model(const std::string& architecture, DType dtype = DType::f64,
                                        const std::string& more = "", double shaken = 0.3) {
  const std::string text = R"({"model": {"architecture": ")" + architecture + R"(", "n_layers": 2, "d_model": 8)" +
                           (more.empty() ? "" : ", " + more) + "}}";
  const ModelConfig config = parse_config(text, architecture, {}, model_registry(), Use::stored).model;
  auto model = make_model(config, kLabVocabulary, dtype);
  if (shaken > 0) shake(*model, shaken);
  return model;
}

struct LabCase {
  const char *architecture, *more;
};
// Every architecture, and what has a state of its own kind.
inline const std::vector<LabCase>& lab_cases() {
  static const std::vector<LabCase> list = {
      {"attention", ""},      {"attention", R"("window": 5, "rotary": "half")"},
      {"gru", ""},            {"linear_ssm", R"("d_state": 4)"},
      {"lru", ""},            {"lstm", ""},
      {"mamba", R"("d_state": 3)"},
      {"mamba", R"("d_state": 3, "transitions": "signed", "selective": ["B"])"},
      {"mamba2", R"("d_state": 3, "head_dim": 4)"},
      {"min_gru", R"("d_conv": 3)"},  {"min_lstm", ""},
      {"rnn", R"("d_hidden": 6)"},    {"s4d", R"("d_state": 4)"},
      {"s4d", R"("d_state": 3, "diagonal": "real")"},
      {"hybrid", R"("blocks": [{"architecture": "lstm"}, {"architecture": "attention"}])"}};
  return list;
}

inline Tensor lab_ids(int64_t batch, int64_t length, uint64_t seed = 3) {
  return index_input({batch, length}, seed, int32_t(kLabVocabulary));
}

// Nothing is scored but the last token of each row.
inline Tensor last_label(const Tensor& labels) {
  const Tensor one = labels.clone();
  for (int64_t i = 0; i < one.size(); ++i)
    if ((i + 1) % one.dim(1) != 0) one.data<int32_t>()[i] = -100;
  return one;
}

}  // namespace adder
