#include "framework/interop/foreign_model.h"

#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "framework/config/config.h"
#include "framework/core/error.h"
#include "framework/interop/foreign_format.h"
#include "framework/interop/foreign_json.h"
#include "framework/interop/safetensors.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int64_t kMostBlocks = 10'000;

ForeignConfig read_config(const std::string& path) {
  constexpr uint64_t kMost = 16 << 20;
  json values = parse_foreign_json(read_text_file(path, kMost), path);
  if (!values.is_object()) throw UnreadableError(path + ": expected a JSON object");
  return ForeignConfig(path, std::move(values));
}

const ForeignFormat& format_of(const ForeignConfig& config) {
  config.only("format", kParityFormat);
  if (config.has("format")) return torch_format();
  std::string known;
  const std::string type = config.text("model_type", "");
  for (const ForeignFormat& format : foreign_formats()) {
    if (format.hugging_face && type == format.name) return format;
    if (format.hugging_face) known += (known.empty() ? "\"" : ", \"") + std::string(format.name) + "\"";
  }
  config.fail("model_type", "one that can be imported: " + known);
}

ForeignLayout layout_of(const ForeignFormat& format, const ForeignConfig& config) {
  ForeignLayout layout = format.layout(config);
  if (layout.layers > kMostBlocks)
    throw UnreadableError(config.path() + ": " + std::to_string(layout.layers) +
                          " blocks, expected at most " + std::to_string(kMostBlocks));
  return layout;
}

// The tensors of a folder under the names of the rules, each taken once.
class Weights {
 public:
  Weights(const SafetensorsFolder& folder, const ForeignLayout& layout, const std::vector<ForeignRule>& rules,
          std::string config)
      : folder_(folder), config_(std::move(config)) {
    const std::set<std::string> skipped = skipped_names(layout), known = known_names(layout, rules);
    for (const auto& [name, item] : folder.items()) {
      std::string proper = name;
      const auto is_known = [&](const std::string& n) { return known.count(n) || skipped.count(n); };
      if (!is_known(name) && is_known(layout.prefix + name)) proper = layout.prefix + name;
      for (const auto& [alias, meant] : layout.aliases)
        if (proper == alias || layout.prefix + proper == alias) proper = meant;
      if (skipped.count(proper)) continue;
      if (!left_.emplace(proper, item).second)
        throw UnreadableError(folder.path() + ": tensor " + in_quotes(proper) +
                              " is there under two spellings");
    }
  }

  // The value in our shape, and the names that the folder itself uses.
  ForeignTensor take(const ForeignRule& rule) {
    ForeignTensor tensor;
    tensor.ours = rule.ours;
    tensor.transposed = rule.transposed;
    std::vector<Tensor> values;
    for (const SourcePart& part : rule.parts) {
      const SafetensorsFolder::Item item = find(part);
      left_.erase(part.name);
      tensor.parts.push_back({item.entry->name, part.shape});
      values.push_back(item.file->load(*item.entry));
    }
    tensor.value = from_source(values, rule, rule.our_shape);
    return tensor;
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
  static std::set<std::string> skipped_names(const ForeignLayout& layout) {
    std::set<std::string> names;
    for (const std::string& pattern : layout.skipped)
      for (int64_t block = 0; block < layout.layers; ++block) names.insert(with_number(pattern, block));
    return names;
  }

  static std::set<std::string> known_names(const ForeignLayout& layout,
                                           const std::vector<ForeignRule>& rules) {
    std::set<std::string> names;
    for (const ForeignRule& rule : rules)
      for (const SourcePart& part : rule.parts) names.insert(part.name);
    for (const auto& [copy, original] : layout.copies) names.insert(copy);
    return names;
  }

  SafetensorsFolder::Item find(const SourcePart& part) const {
    const auto found = left_.find(part.name);
    if (found == left_.end())
      throw UnreadableError(folder_.path() + ": tensor " + in_quotes(part.name) +
                            " is missing, expected shape " + to_string(part.shape) + " by " + config_);
    const SafetensorsEntry& entry = *found->second.entry;
    const std::string where = found->second.file->path() + ": tensor " + in_quotes(entry.name);
    if (entry.shape != part.shape)
      throw UnreadableError(where + " has shape " + to_string(entry.shape) + ", expected " +
                            to_string(part.shape) + " by " + config_);
    if (entry.dtype != "F32" && entry.dtype != "F64" && entry.dtype != "F16" && entry.dtype != "BF16")
      throw UnreadableError(where + " is of dtype " + entry.dtype + ", expected F32, F64, F16 or BF16");
    return found->second;
  }

  const SafetensorsFolder& folder_;
  std::string config_;
  std::map<std::string, SafetensorsFolder::Item> left_;
};

}  // namespace

bool is_foreign_folder(const std::string& folder) {
  std::error_code error;
  const fs::path path(folder);
  return fs::is_directory(path, error) && fs::exists(path / "config.json", error) &&
         (fs::exists(path / "model.safetensors", error) ||
          fs::exists(path / "model.safetensors.index.json", error));
}

ForeignModel read_foreign_model(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw UnreadableError(folder + ": is not a folder; expected one with config.json and model.safetensors");
  const ForeignConfig config = read_config((fs::path(folder) / "config.json").string());
  const ForeignFormat& format = format_of(config);
  const ForeignLayout layout = layout_of(format, config);
  const std::vector<ForeignRule> rules = expanded(layout);
  const SafetensorsFolder files(folder);
  Weights weights(files, layout, rules, config.path());

  ForeignModel model;
  model.model_type = config.text(format.hugging_face ? "model_type" : "arch", "");
  model.model_json = layout.model.dump();
  model.vocabulary = layout.vocabulary;
  for (const ForeignRule& rule : rules) {
    model.tensors.push_back(weights.take(rule));
    for (const auto& [copy, original] : layout.copies)
      if (original == rule.parts[0].name) weights.accept_copy(copy, original, model.tensors.back().value);
  }
  weights.expect_none_left();
  return model;
}

ModelConfig model_config(const std::string& model_json, const std::string& where, const ModelFactory& factory) {
  JsonValue tree = JsonValue::object();
  tree.set("name", "imported");
  tree.set("model", parse_json(model_json, where));
  try {
    return parse_config(dump(tree), where, {}, factory, Use::stored).model;
  } catch (const UsageError& problem) {  // it is the folder that is at fault
    throw UnreadableError(problem.what());
  }
}

std::string source_json(const ForeignModel& model) {
  return source_json(model.model_type,
                     std::vector<SourceTensor>(model.tensors.begin(), model.tensors.end()));
}

}  // namespace adder
