// What a foreign architecture is described by: its config.json turned into our model section, and one table
// of names and shapes. An architecture is a file with such a description, its declaration below and a line in
// foreign_model.cpp.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "framework/interop/source_tensor.h"

namespace adder {

// Typed access to a config.json, or to an object in it. Keys with the value null count as absent. Errors are
// UnreadableErrors: `config.json: "hidden_size" is "many", expected a whole number from 1 to 1048576`.
class ForeignConfig {
 public:
  ForeignConfig(std::string path, nlohmann::json values, std::string inside = "")
      : path_(std::move(path)), inside_(std::move(inside)), values_(std::move(values)) {}
  const std::string& path() const { return path_; }
  bool has(const std::string& key) const;
  // Sizes: whole numbers from 1 to 2^20 (so that sums and products of a few of them stay far from overflow).
  int64_t size(const std::string& key) const;
  int64_t size(const std::string& key, int64_t otherwise) const { return has(key) ? size(key) : otherwise; }
  double positive(const std::string& key, double otherwise) const;
  bool flag(const std::string& key, bool otherwise) const;
  bool is_text(const std::string& key) const { return has(key) && values_[key].is_string(); }
  std::string text(const std::string& key, const std::string& otherwise) const;
  // Two numbers from 0 up, [low, high]; high may be infinite.
  std::pair<double, double> range(const std::string& key, std::pair<double, double> otherwise) const;
  // An object: its keys, which messages name "rope_parameters.rope_theta"; empty where it is absent.
  ForeignConfig section(const std::string& key) const;
  // For what can be said in one way only: absent, or this value.
  void only(const std::string& key, const nlohmann::json& value) const;
  [[noreturn]] void fail(const std::string& key, const std::string& expected) const;

 private:
  std::string path_, inside_;
  nlohmann::json values_;
};

// One row of the table. `{i}` in the names stands for the number of the block; rows with it repeat for each
// block.
struct ForeignRule : SourceTensor {
  Shape our_shape;
};

struct ForeignLayout {
  nlohmann::ordered_json model;  // our `model` section
  int64_t vocabulary = 0, layers = 0;
  std::vector<ForeignRule> rules;  // in our model's order
  std::string prefix;              // of their names; a folder may leave it out
  std::vector<std::pair<std::string, std::string>> aliases;  // an older spelling -> the name in the rules
  std::vector<std::pair<std::string, std::string>> copies;   // may be there if its bytes equal this one's
  std::vector<std::string> skipped;                          // may be there and is no parameter

  void add(const std::string& ours, const std::string& theirs, const Shape& shape) {
    rules.push_back({{ours, {{theirs, shape}}}, shape});
  }
  void add_reshaped(const std::string& ours, const Shape& our_shape, const std::string& theirs,
                    const Shape& their_shape) {
    rules.push_back({{ours, {{theirs, their_shape}}}, our_shape});
  }
  // Theirs is (in, out).
  void add_transposed(const std::string& ours, const Shape& our_shape, const std::string& theirs) {
    rules.push_back({{ours, {{theirs, {our_shape[1], our_shape[0]}}}, true}, our_shape});
  }
  // The parts' rows follow one another.
  void add_joined(const std::string& ours, const Shape& our_shape, std::vector<SourcePart> parts) {
    rules.push_back({{ours, std::move(parts)}, our_shape});
  }
};

ForeignLayout hf_mamba_layout(const ForeignConfig& config);
ForeignLayout hf_mamba2_layout(const ForeignConfig& config);
ForeignLayout hf_gpt2_layout(const ForeignConfig& config);
ForeignLayout hf_llama_layout(const ForeignConfig& config);
ForeignLayout parity_lm_layout(const ForeignConfig& config);

}  // namespace adder
