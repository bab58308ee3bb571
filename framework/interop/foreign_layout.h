// What a foreign architecture is described by: its config.json turned into our model section and back, and
// one table of names and shapes for both ways. An architecture is a file with such a description, its
// declarations below and a line in foreign_format.cpp.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "framework/config/json.h"
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
  bool float32 = false;  // stays so in a file of bfloat16
};

struct ForeignLayout {
  nlohmann::ordered_json model;  // our `model` section
  int64_t vocabulary = 0, layers = 0;
  std::vector<ForeignRule> rules;                            // in our model's order
  std::string prefix;                                        // of their names; a folder may leave it out
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
  void keep_float32(const std::vector<std::string>& ours) {
    for (ForeignRule& rule : rules)
      rule.float32 |= std::find(ours.begin(), ours.end(), rule.ours) != ours.end();
  }
};

// Every parameter in the model's order: the rules before those with {i}, the blocks, the rules after them.
std::vector<ForeignRule> expanded(const ForeignLayout& layout);
std::string with_number(std::string name, int64_t block);  // in place of {i}

// A model of ours on its way out: the keys of its config's `model` section, and its parameters' shapes. A key
// that is not there is an Error. `trained_length`: tokens of the sequences it was trained on; 0: not known.
class OwnModel {
 public:
  OwnModel(JsonValue section, int64_t vocabulary, std::map<std::string, Shape> shapes, int64_t trained_length)
      : section_(std::move(section)),
        shapes_(std::move(shapes)),
        vocabulary_(vocabulary),
        trained_length_(trained_length) {}
  int64_t vocabulary() const { return vocabulary_; }
  int64_t trained_length() const { return trained_length_; }
  const JsonValue& section() const { return section_; }
  const std::map<std::string, Shape>& shapes() const { return shapes_; }
  int64_t size(const char* key) const { return value(key).integer; }
  double number(const char* key) const;
  bool flag(const char* key) const { return value(key).boolean; }
  const std::string& text(const char* key) const { return value(key).string; }
  // How long a parameter is along an axis, for sizes that a config may leave to be derived; 1 where it is not
  // there.
  int64_t extent(const std::string& parameter, size_t axis) const;

 private:
  const JsonValue& value(const char* key) const;
  JsonValue section_;
  std::map<std::string, Shape> shapes_;
  int64_t vocabulary_, trained_length_;
};

using ForeignJson = nlohmann::ordered_json;

ForeignLayout hf_mamba_layout(const ForeignConfig& config);
ForeignLayout hf_mamba2_layout(const ForeignConfig& config);
ForeignLayout hf_gpt2_layout(const ForeignConfig& config);
ForeignLayout hf_llama_layout(const ForeignConfig& config);
ForeignLayout parity_lm_layout(const ForeignConfig& config);

// What every Hugging Face config.json of ours says; tokens of a special kind there are none.
ForeignJson hugging_face_config(const char* model_type, const char* architecture, const OwnModel& model);

// The way back: a config.json of which the layout above makes this model again, as far as the format can say
// it. The model is of the architecture that foreign_format.cpp names.
ForeignJson hf_mamba_config(const OwnModel& model);
ForeignJson hf_mamba2_config(const OwnModel& model);
ForeignJson hf_gpt2_config(const OwnModel& model);
ForeignJson hf_llama_config(const OwnModel& model);
ForeignJson torch_config(const OwnModel& model);

}  // namespace adder
