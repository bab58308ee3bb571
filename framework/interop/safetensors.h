// safetensors, the format for weights from strangers:
//   u64 little-endian N | N bytes of JSON | data
//   JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}
// A file is hostile until proven otherwise: every length, offset, name and type is checked before a byte of
// data is read, and the data must fill the file without a gap or an overlap. Every error is an
// UnreadableError that names the file and the tensor.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "framework/core/tensor.h"
#include "framework/training/durable_file.h"

namespace adder {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // as the file spells it: F32, BF16, …
  Shape shape;
  uint64_t begin = 0, end = 0;  // bytes, counted from the start of the data
};

// The JSON header of a file whose data are `data_bytes` long, checked. `file` is for messages.
struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the file's order
  std::map<std::string, std::string> metadata;
};
SafetensorsHeader parse_safetensors_header(const std::string& json, uint64_t data_bytes,
                                           const std::string& file);

// One open file.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);
  const std::string& path() const { return path_; }
  const std::vector<SafetensorsEntry>& entries() const { return header_.entries; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  const SafetensorsEntry* find(const std::string& name) const;  // null where there is none
  // F32, F16 and BF16 become float32, F64 float64, BOOL and integers int32 (an error where one does not fit).
  Tensor load(const SafetensorsEntry& entry) const;
  Tensor load(const std::string& name) const;

 private:
  std::string path_;
  Descriptor file_;
  SafetensorsHeader header_;
  uint64_t data_start_ = 0;
};

// The tensors of a model folder: model.safetensors, or the shards that model.safetensors.index.json lists.
class SafetensorsFolder {
 public:
  explicit SafetensorsFolder(const std::string& folder);
  struct Item {
    const SafetensorsFile* file;
    const SafetensorsEntry* entry;
  };
  const std::map<std::string, Item>& items() const { return items_; }
  const Item* find(const std::string& name) const;  // null where there is none
  // What to call the whole in a message: the one file, or the index.
  const std::string& path() const { return path_; }

 private:
  void open_single(const std::string& path);
  void open_index(const std::string& folder, const std::string& path);

  std::string path_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, Item> items_;
};

// Writes tensors (float32 as F32, float64 as F64, int32 as I32, bfloat16 as BF16), wide types first, whole or not at all. Those
// named in `in_bf16` are float32 and become BF16, rounded to the nearest, ties to even.
void write_safetensors(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}},
                       const std::set<std::string>& in_bf16 = {});

// A name from a foreign file for a message: in quotes, control characters escaped, cut at 200 bytes.
std::string in_quotes(const std::string& name);

}  // namespace adder
