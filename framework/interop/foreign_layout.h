// What a foreign architecture is described by: its config.json turned into our model section, and one table
// of names and shapes. An architecture is a file hf_<name>.cpp with such a description, its declaration below
// and a line in hugging_face.cpp.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "framework/core/tensor.h"

namespace adder {

// Typed access to a config.json. Keys with the value null count as absent. Errors are UnreadableErrors:
// `config.json: "hidden_size" is "many", expected a whole number from 1 to 1048576`.
class ForeignConfig {
 public:
  ForeignConfig(std::string path, nlohmann::json values)
      : path_(std::move(path)), values_(std::move(values)) {}
  const std::string& path() const { return path_; }
  bool has(const std::string& key) const;
  // Sizes: whole numbers from 1 to 2^20 (so that sums and products of a few of them stay far from overflow).
  int64_t size(const std::string& key) const;
  int64_t size(const std::string& key, int64_t otherwise) const { return has(key) ? size(key) : otherwise; }
  double positive(const std::string& key, double otherwise) const;
  bool flag(const std::string& key, bool otherwise) const;
  bool is_text(const std::string& key) const { return has(key) && values_[key].is_string(); }
  std::string text(const std::string& key, const std::string& otherwise) const;
  [[noreturn]] void fail(const std::string& key, const std::string& expected) const;

 private:
  std::string path_;
  nlohmann::json values_;
};

// One row of the table. `{i}` in both names stands for the number of the block; rows with it repeat for each
// block.
struct ForeignRule {
  std::string ours, theirs;
  Shape our_shape, their_shape;
  bool transposed = false;
};

struct ForeignLayout {
  nlohmann::ordered_json model;  // our `model` section
  int64_t vocabulary = 0, layers = 0;
  std::vector<ForeignRule> rules;
  std::vector<std::pair<std::string, std::string>> aliases;  // an older spelling -> the name in the rules
  std::vector<std::pair<std::string, std::string>> copies;   // may be there if its bytes equal this one's
};

ForeignLayout hf_mamba_layout(const ForeignConfig& config);

}  // namespace adder
