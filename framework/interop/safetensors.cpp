#include "framework/interop/safetensors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/interop/foreign_json.h"

namespace adder {

static_assert(std::endian::native == std::endian::little,
              "safetensors files are little-endian and read as they are");

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr uint64_t kMostHeader = 100'000'000;  // the format's own limit

float from_bf16(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

float from_f16(uint16_t bits) {
  const uint32_t sign = uint32_t(bits & 0x8000u) << 16, exponent = (bits >> 10) & 31u,
                 fraction = bits & 1023u;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float tiny = float(fraction) * 0x1p-24f;  // subnormal, or zero
  return sign ? -tiny : tiny;
}

// Reads `count` elements of type From and stores f(element), a block at a time.
template <class From, class To, class F>
void convert(const Descriptor& file, const std::string& path, uint64_t offset, To* to, int64_t count, F f) {
  constexpr int64_t kBlock = 1 << 18;
  std::vector<From> block(size_t(std::min(count, kBlock)));
  for (int64_t done = 0; done < count; done += kBlock) {
    const int64_t n = std::min(kBlock, count - done);
    read_at(file, path, offset + uint64_t(done) * sizeof(From), block.data(), size_t(n) * sizeof(From));
    for (int64_t i = 0; i < n; ++i) to[done + i] = f(block[size_t(i)]);
  }
}

template <class From>
Tensor load_integers(const Descriptor& file, const std::string& path, uint64_t offset,
                     const SafetensorsEntry& entry) {
  Tensor t = Tensor::empty(entry.shape, DType::i32);
  convert<From>(file, path, offset, t.data<int32_t>(), t.size(), [&](From value) {
    if (!std::in_range<int32_t>(value))
      throw UnreadableError(path + ": tensor " + in_quotes(entry.name) + " holds " + std::to_string(value) +
                            ", which does not fit in int32");
    return int32_t(value);
  });
  return t;
}

}  // namespace

// ---- one file ---------------------------------------------------------------------------------------------

SafetensorsFile::SafetensorsFile(const std::string& path) : path_(path), file_(open_for_reading(path)) {
  const uint64_t size = file_size(file_, path);
  if (size < 8)
    throw UnreadableError(path + ": holds " + std::to_string(size) +
                          " bytes; a safetensors file needs at least 8");
  uint64_t length = 0;
  read_at(file_, path, 0, &length, sizeof length);
  if (length > kMostHeader)
    throw UnreadableError(path + ": its header claims " + std::to_string(length) +
                          " bytes, the format allows " + std::to_string(kMostHeader) +
                          "; this is no safetensors file, or it is damaged");
  if (length > size - 8)
    throw UnreadableError(path + ": its header claims " + std::to_string(length) + " bytes, but only " +
                          std::to_string(size - 8) + " follow; the file is truncated or damaged");
  std::string text(size_t(length), '\0');
  read_at(file_, path, 8, text.data(), text.size());
  data_start_ = 8 + length;
  header_ = parse_safetensors_header(text, size - data_start_, path);
}

const SafetensorsEntry* SafetensorsFile::find(const std::string& name) const {
  for (const SafetensorsEntry& entry : header_.entries)
    if (entry.name == name) return &entry;
  return nullptr;
}

Tensor SafetensorsFile::load(const std::string& name) const {
  const SafetensorsEntry* entry = find(name);
  if (!entry) throw UnreadableError(path_ + ": there is no tensor " + in_quotes(name));
  return load(*entry);
}

Tensor SafetensorsFile::load(const SafetensorsEntry& entry) const {
  const uint64_t offset = data_start_ + entry.begin;
  const std::string& dtype = entry.dtype;
  if (dtype == "F32" || dtype == "F64" || dtype == "I32") {
    const DType own = dtype == "F32" ? DType::f32 : dtype == "F64" ? DType::f64 : DType::i32;
    Tensor t = Tensor::empty(entry.shape, own);
    read_at(file_, path_, offset, t.raw(), size_t(entry.end - entry.begin));
    return t;
  }
  if (dtype == "F16" || dtype == "BF16") {
    Tensor t = Tensor::empty(entry.shape, DType::f32);
    convert<uint16_t>(file_, path_, offset, t.data<float>(), t.size(), dtype == "F16" ? from_f16 : from_bf16);
    return t;
  }
  if (dtype == "BOOL" || dtype == "U8") return load_integers<uint8_t>(file_, path_, offset, entry);
  if (dtype == "I8") return load_integers<int8_t>(file_, path_, offset, entry);
  if (dtype == "U16") return load_integers<uint16_t>(file_, path_, offset, entry);
  if (dtype == "I16") return load_integers<int16_t>(file_, path_, offset, entry);
  if (dtype == "U32") return load_integers<uint32_t>(file_, path_, offset, entry);
  if (dtype == "U64") return load_integers<uint64_t>(file_, path_, offset, entry);
  if (dtype == "I64") return load_integers<int64_t>(file_, path_, offset, entry);
  throw UnreadableError(path_ + ": tensor " + in_quotes(entry.name) + " is of dtype " + dtype +
                        ", which Adder does not read; convert it to F32, F64, F16 or BF16");
}

// ---- a folder ---------------------------------------------------------------------------------------------

SafetensorsFolder::SafetensorsFolder(const std::string& folder) {
  const std::string single = (fs::path(folder) / "model.safetensors").string();
  const std::string index = (fs::path(folder) / "model.safetensors.index.json").string();
  std::error_code error;
  if (fs::exists(single, error))
    open_single(single);
  else if (fs::exists(index, error))
    open_index(folder, index);
  else {
    std::string hint;
    if (fs::exists(fs::path(folder) / "pytorch_model.bin", error))
      hint = "; pytorch_model.bin is a pickle, which Adder does not run: save it again as safetensors";
    throw UnreadableError(folder + ": holds no model.safetensors and no model.safetensors.index.json" + hint);
  }
}

void SafetensorsFolder::open_single(const std::string& path) {
  path_ = path;
  files_.push_back(std::make_unique<SafetensorsFile>(path));
  for (const SafetensorsEntry& entry : files_.back()->entries())
    items_[entry.name] = {files_.back().get(), &entry};
}

void SafetensorsFolder::open_index(const std::string& folder, const std::string& path) {
  path_ = path;
  const json index = parse_foreign_json(read_text_file(path, kMostHeader), path);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    throw UnreadableError(path + ": has no object \"weight_map\" of tensor names to files");
  std::map<std::string, const SafetensorsFile*> opened;
  for (const auto& [name, shard] : index["weight_map"].items()) {
    const std::string where = path + ": weight_map " + in_quotes(name);
    if (!shard.is_string()) throw UnreadableError(where + " is not the name of a file");
    const std::string file = shard.get<std::string>();
    // A shard lies in this folder: an index from a stranger may not point elsewhere.
    if (file.empty() || file.find_first_of(std::string("/\\\0", 3)) != std::string::npos || file == "..")
      throw UnreadableError(where + " names " + in_quotes(file) + ", expected a file of this folder");
    if (!opened.count(file)) {
      files_.push_back(std::make_unique<SafetensorsFile>((fs::path(folder) / file).string()));
      opened[file] = files_.back().get();
      for (const SafetensorsEntry& entry : files_.back()->entries())
        if (!items_.emplace(entry.name, Item{files_.back().get(), &entry}).second)
          throw UnreadableError(files_.back()->path() + ": tensor " + in_quotes(entry.name) +
                                " stands in a second shard too");
    }
    const Item* item = find(name);
    if (!item || item->file != opened[file])
      throw UnreadableError(where + " should be in " + file + ", but that file does not hold it");
  }
  for (const auto& [name, item] : items_)
    if (!index["weight_map"].contains(name))
      throw UnreadableError(item.file->path() + ": tensor " + in_quotes(name) + " is not listed in " + path);
}

const SafetensorsFolder::Item* SafetensorsFolder::find(const std::string& name) const {
  const auto found = items_.find(name);
  return found == items_.end() ? nullptr : &found->second;
}

// ---- writing ----------------------------------------------------------------------------------------------

namespace {

uint16_t to_bf16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if (std::isnan(x)) return uint16_t(bits >> 16 | 0x40u);  // the cut may not leave an infinity
  return uint16_t((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// A tensor as its bytes will stand in the file.
struct Stored {
  const std::string* name;
  Tensor value;
  bool bf16;

  size_t width() const { return bf16 ? 2 : bytes_of(value.dtype()); }
  size_t bytes() const { return size_t(value.size()) * width(); }
  const char* dtype() const {
    if (bf16 || value.dtype() == DType::bf16) return "BF16";
    return value.dtype() == DType::f32 ? "F32" : value.dtype() == DType::f64 ? "F64" : "I32";
  }
  void write(DurableFile& file, uint64_t at) const {
    if (!bf16) return file.write_at(at, value.raw(), bytes());
    std::vector<uint16_t> halves(size_t(value.size()));
    std::transform(value.data<float>(), value.data<float>() + value.size(), halves.begin(), to_bf16);
    file.write_at(at, halves.data(), bytes());
  }
};

}  // namespace

void write_safetensors(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata,
                       const std::set<std::string>& in_bf16) {
  std::vector<Stored> order;
  for (const auto& [name, value] : tensors)
    order.push_back({&name, value.contiguous() ? value : value.clone(),
                     in_bf16.contains(name) && value.dtype() != DType::bf16});
  // Wide types first: then each tensor is aligned to its own size.
  std::stable_sort(order.begin(), order.end(),
                   [](const Stored& a, const Stored& b) { return a.width() > b.width(); });

  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t end = 0;
  for (const Stored& item : order) {
    if (header.contains(*item.name))
      throw Error("[safetensors] two tensors are named " + in_quotes(*item.name));
    const uint64_t begin = end;
    end += item.bytes();
    header[*item.name] = {
        {"dtype", item.dtype()}, {"shape", item.value.shape()}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  while (text.size() % 8 != 0) text += ' ';

  DurableFile file(path);
  const uint64_t length = text.size();
  file.write_at(0, &length, sizeof length);
  file.write_at(8, text.data(), text.size());
  uint64_t at = 8 + length;
  for (const Stored& item : order) {
    item.write(file, at);
    at += item.bytes();
  }
  file.commit();
}

}  // namespace adder
