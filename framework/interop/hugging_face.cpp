#include "framework/interop/hugging_face.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

#include "framework/core/error.h"
#include "framework/interop/foreign_layout.h"
#include "framework/interop/safetensors.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// One line an architecture.
struct Architecture {
  const char* model_type;
  ForeignLayout (*layout)(const ForeignConfig&);
};
constexpr Architecture kArchitectures[] = {
    {"mamba", hf_mamba_layout},
};

constexpr int64_t kMostBlocks = 10'000;

// Python writes infinities and NaN as bare words, which JSON does not know: they become null, that is absent.
std::string without_bare_words(const std::string& text) {
  std::string result;
  bool in_string = false;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (in_string) {
      const size_t n = c == '\\' && i + 1 < text.size() ? 2 : 1;
      result.append(text, i, n);
      in_string = c != '"';
      i += n;
      continue;
    }
    size_t word = 0;
    for (const char* bare : {"-Infinity", "Infinity", "NaN"})
      if (word == 0 && text.compare(i, std::strlen(bare), bare) == 0) word = std::strlen(bare);
    if (word > 0)
      result += "null";
    else
      result += c;
    in_string = c == '"';
    i += word > 0 ? word : 1;
  }
  return result;
}

ForeignConfig read_config(const std::string& path) {
  constexpr uint64_t kMost = 16 << 20;
  json values = json::parse(without_bare_words(read_text_file(path, kMost)), nullptr, false);
  if (values.is_discarded()) throw UnreadableError(path + ": is not valid JSON in UTF-8");
  if (!values.is_object()) throw UnreadableError(path + ": expected a JSON object");
  return ForeignConfig(path, std::move(values));
}

ForeignLayout layout_of(const ForeignConfig& config) {
  std::string known;
  const std::string type = config.text("model_type", "");
  for (const Architecture& architecture : kArchitectures) {
    if (type == architecture.model_type) {
      ForeignLayout layout = architecture.layout(config);
      if (layout.layers > kMostBlocks)
        throw UnreadableError(config.path() + ": " + std::to_string(layout.layers) +
                              " blocks, expected at most " + std::to_string(kMostBlocks));
      return layout;
    }
    known += (known.empty() ? "\"" : ", \"") + std::string(architecture.model_type) + "\"";
  }
  config.fail("model_type", "one that can be imported: " + known);
}

std::string with_number(std::string name, int64_t block) {
  const size_t at = name.find("{i}");
  return at == std::string::npos ? name : name.replace(at, 3, std::to_string(block));
}

// Every parameter in the model's order: the rules before those with {i}, the blocks, the rules after them.
std::vector<ForeignRule> expanded(const ForeignLayout& layout) {
  std::vector<ForeignRule> all;
  size_t first = 0, last = layout.rules.size();
  const auto repeats = [&](size_t r) { return layout.rules[r].ours.find("{i}") != std::string::npos; };
  while (first < last && !repeats(first)) all.push_back(layout.rules[first++]);
  while (last > first && !repeats(last - 1)) --last;
  for (int64_t block = 0; block < layout.layers; ++block)
    for (size_t r = first; r < last; ++r) {
      all.push_back(layout.rules[r]);
      all.back().ours = with_number(all.back().ours, block);
      all.back().theirs = with_number(all.back().theirs, block);
    }
  for (size_t r = last; r < layout.rules.size(); ++r) all.push_back(layout.rules[r]);
  return all;
}

Tensor transposed(const Tensor& x) {
  const int64_t rows = x.dim(0), columns = x.dim(1);
  const Tensor y = Tensor::empty({columns, rows}, x.dtype());
  by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) to[j * rows + i] = from[i * columns + j];
  });
  return y;
}

// The tensors of a folder under the names of the rules, each taken once.
class Weights {
 public:
  Weights(const SafetensorsFolder& folder, const ForeignLayout& layout, std::string config)
      : folder_(folder), config_(std::move(config)) {
    for (const auto& [name, item] : folder.items()) {
      std::string canonical = name;
      for (const auto& [alias, proper] : layout.aliases)
        if (name == alias) canonical = proper;
      if (!left_.emplace(canonical, item).second)
        throw UnreadableError(folder.path() + ": tensor " + in_quotes(canonical) +
                              " is there under two spellings");
    }
  }

  Tensor take(const ForeignRule& rule) {
    const SafetensorsFolder::Item item = find(rule);
    left_.erase(rule.theirs);
    const Tensor value = item.file->load(*item.entry);
    return rule.transposed ? transposed(value) : value.reshape(rule.our_shape);
  }

  // A second copy of tied weights is welcome as long as it says the same.
  void accept_copy(const std::string& copy, const std::string& original, const Tensor& value) {
    const auto found = left_.find(copy);
    if (found == left_.end()) return;
    const SafetensorsFolder::Item item = found->second;
    const Tensor second = item.file->load(*item.entry);
    const bool equal =
        second.dtype() == value.dtype() && second.shape() == value.shape() &&
        std::memcmp(second.raw(), value.raw(), size_t(value.size()) * bytes_of(value.dtype())) == 0;
    if (!equal)
      throw UnreadableError(item.file->path() + ": tensor " + in_quotes(copy) + " differs from " +
                            in_quotes(original) + ", but " + config_ +
                            " ties the two; set \"tie_word_embeddings\": false there to use both");
    left_.erase(found);
  }

  void expect_none_left() const {
    if (left_.empty()) return;
    std::string names;
    size_t shown = 0;
    for (const auto& [name, item] : left_)
      if (shown++ < 5)
        names += (names.empty() ? "" : ", ") + in_quotes(name) + " " + to_string(item.entry->shape);
    if (left_.size() > 5) names += " and " + std::to_string(left_.size() - 5) + " more";
    throw UnreadableError(folder_.path() + ": holds tensors that a model of " + config_ +
                          " does not have: " + names);
  }

 private:
  SafetensorsFolder::Item find(const ForeignRule& rule) const {
    const auto found = left_.find(rule.theirs);
    if (found == left_.end())
      throw UnreadableError(folder_.path() + ": tensor " + in_quotes(rule.theirs) +
                            " is missing, expected shape " + to_string(rule.their_shape) + " by " + config_);
    const SafetensorsEntry& entry = *found->second.entry;
    const std::string where = found->second.file->path() + ": tensor " + in_quotes(entry.name);
    if (entry.shape != rule.their_shape)
      throw UnreadableError(where + " has shape " + to_string(entry.shape) + ", expected " +
                            to_string(rule.their_shape) + " by " + config_);
    if (entry.dtype != "F32" && entry.dtype != "F64" && entry.dtype != "F16" && entry.dtype != "BF16")
      throw UnreadableError(where + " is of dtype " + entry.dtype + ", expected F32, F64, F16 or BF16");
    return found->second;
  }

  const SafetensorsFolder& folder_;
  std::string config_;
  std::map<std::string, SafetensorsFolder::Item> left_;
};

}  // namespace

// ---- config.json ------------------------------------------------------------------------------------------

bool ForeignConfig::has(const std::string& key) const {
  return values_.contains(key) && !values_[key].is_null();
}

void ForeignConfig::fail(const std::string& key, const std::string& expected) const {
  std::string found = "is missing";
  if (has(key)) {
    found = values_[key].dump(-1, ' ', true, json::error_handler_t::replace);
    found = "is " + (found.size() > 100 ? found.substr(0, 100) + "..." : found);
  }
  throw UnreadableError(path_ + ": \"" + key + "\" " + found + ", expected " + expected);
}

int64_t ForeignConfig::size(const std::string& key) const {
  constexpr uint64_t kMost = 1 << 20;
  const bool whole = has(key) && values_[key].is_number_unsigned();
  const uint64_t value = whole ? values_[key].get<uint64_t>() : 0;
  if (value < 1 || value > kMost) fail(key, "a whole number from 1 to " + std::to_string(kMost));
  return int64_t(value);
}

double ForeignConfig::positive(const std::string& key, double otherwise) const {
  if (!has(key)) return otherwise;
  const double value = values_[key].is_number() ? values_[key].get<double>() : 0;
  if (!(value > 0) || !std::isfinite(value)) fail(key, "a positive number");
  return value;
}

bool ForeignConfig::flag(const std::string& key, bool otherwise) const {
  if (!has(key)) return otherwise;
  if (!values_[key].is_boolean()) fail(key, "true or false");
  return values_[key].get<bool>();
}

std::string ForeignConfig::text(const std::string& key, const std::string& otherwise) const {
  if (!has(key)) return otherwise;
  if (!is_text(key)) fail(key, "a string");
  return values_[key].get<std::string>();
}

// ---- the folder -------------------------------------------------------------------------------------------

bool is_hugging_face_folder(const std::string& folder) {
  std::error_code error;
  const fs::path path(folder);
  return fs::is_directory(path, error) && fs::exists(path / "config.json", error) &&
         (fs::exists(path / "model.safetensors", error) ||
          fs::exists(path / "model.safetensors.index.json", error));
}

ForeignModel read_hugging_face(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw UnreadableError(folder + ": is not a folder; expected one with config.json and model.safetensors");
  const ForeignConfig config = read_config((fs::path(folder) / "config.json").string());
  const ForeignLayout layout = layout_of(config);
  const SafetensorsFolder files(folder);
  Weights weights(files, layout, config.path());

  ForeignModel model;
  model.model_type = config.text("model_type", "");
  model.model_json = layout.model.dump();
  model.vocabulary = layout.vocabulary;
  for (const ForeignRule& rule : expanded(layout)) {
    ForeignTensor tensor;
    tensor.ours = rule.ours;
    tensor.source = rule.theirs;
    tensor.source_shape = rule.their_shape;
    tensor.transposed = rule.transposed;
    tensor.value = weights.take(rule);
    for (const auto& [copy, original] : layout.copies)
      if (original == rule.theirs) weights.accept_copy(copy, original, tensor.value);
    model.tensors.push_back(std::move(tensor));
  }
  weights.expect_none_left();
  return model;
}

// ---- names for the way back -------------------------------------------------------------------------------

std::string source_json(const ForeignModel& model) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ForeignTensor& tensor : model.tensors)
    list.push_back({{"ours", tensor.ours},
                    {"source", tensor.source},
                    {"shape", tensor.source_shape},
                    {"transposed", tensor.transposed}});
  return nlohmann::ordered_json{{"model_type", model.model_type}, {"tensors", list}}.dump();
}

std::vector<SourceTensor> parse_source_json(const std::string& text) {
  std::vector<SourceTensor> list;
  try {
    const json names = json::parse(text);
    for (const json& item : names.at("tensors"))
      list.push_back(
          {item.at("ours"), item.at("source"), item.at("shape").get<Shape>(), item.at("transposed")});
  } catch (const json::exception& problem) {
    throw UnreadableError(std::string("the names of the imported weights cannot be read: ") + problem.what());
  }
  return list;
}

Tensor to_source(const Tensor& ours, const SourceTensor& layout) {
  const Tensor flat = ours.contiguous() ? ours : ours.clone();
  const Tensor value = layout.transposed ? transposed(flat) : flat;
  if (value.size() != element_count(layout.source_shape))
    throw Error("[to_source] " + layout.ours + " has shape " + to_string(ours.shape()) +
                ", which cannot become " + to_string(layout.source_shape) + " of " + layout.source);
  return value.reshape(layout.source_shape);
}

}  // namespace adder
