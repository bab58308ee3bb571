#include "framework/interop/source_tensor.h"

#include <nlohmann/json.hpp>

#include "framework/core/error.h"

namespace adder {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

Tensor transposed(const Tensor& x) {
  if (x.rank() != 2) throw Error("[transposed] x has shape " + to_string(x.shape()) + ", expected two axes");
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

Tensor flat(const Tensor& x) { return x.reshape({x.size()}); }

int64_t total(const SourceTensor& layout) {
  int64_t sum = 0;
  for (const SourcePart& part : layout.parts) sum += element_count(part.shape);
  return sum;
}

}  // namespace

Tensor from_source(const std::vector<Tensor>& parts, const SourceTensor& layout, const Shape& our_shape) {
  if (parts.size() == 1) return (layout.transposed ? transposed(parts[0]) : parts[0]).reshape(our_shape);
  DType dtype = DType::f32;
  for (const Tensor& part : parts)
    if (part.dtype() == DType::f64) dtype = DType::f64;
  const Tensor all = Tensor::empty({element_count(our_shape)}, dtype);
  int64_t at = 0;
  for (const Tensor& part : parts) {
    all.narrow(0, at, part.size()).copy_from(flat(layout.transposed ? transposed(part) : part));
    at += part.size();
  }
  return all.reshape(our_shape);
}

std::vector<Tensor> to_source(const Tensor& ours, const SourceTensor& layout) {
  if (ours.size() != total(layout))
    throw Error("[to_source] " + layout.ours + " has shape " + to_string(ours.shape()) +
                ", which cannot become " + to_string(layout.parts.at(0).shape) + " of " +
                layout.parts.at(0).name);
  const Tensor all = flat(ours);
  std::vector<Tensor> result;
  int64_t at = 0;
  for (const SourcePart& part : layout.parts) {
    const int64_t size = element_count(part.shape);
    const Tensor piece = all.narrow(0, at, size).clone();
    at += size;
    if (layout.transposed)
      result.push_back(transposed(piece.reshape({part.shape[1], part.shape[0]})));
    else
      result.push_back(piece.reshape(part.shape));
  }
  return result;
}

std::string source_json(const std::string& model_type, const std::vector<SourceTensor>& tensors) {
  ordered_json list = ordered_json::array();
  for (const SourceTensor& tensor : tensors) {
    ordered_json names = ordered_json::array(), shapes = ordered_json::array();
    for (const SourcePart& part : tensor.parts) {
      names.push_back(part.name);
      shapes.push_back(part.shape);
    }
    const bool one = tensor.parts.size() == 1;
    list.push_back({{"ours", tensor.ours},
                    {"source", one ? names[0] : names},
                    {"shape", one ? shapes[0] : shapes},
                    {"transposed", tensor.transposed}});
  }
  return ordered_json{{"model_type", model_type}, {"tensors", list}}.dump();
}

namespace {

Shape parse_shape(const json& sizes) {
  const auto shape = sizes.get<std::vector<int64_t>>();
  if (shape.size() > Shape::kMaxRank)
    throw UnreadableError("the names of the imported weights cannot be read: a shape has " + std::to_string(shape.size()) + " axes");
  return shape;
}

SourceTensor parse_tensor(const json& item) {
  SourceTensor tensor{item.at("ours"), {}, item.at("transposed")};
  const json &names = item.at("source"), &shapes = item.at("shape");
  if (names.is_string()) {
    tensor.parts.push_back({names, parse_shape(shapes)});
  } else {
    for (size_t i = 0; i < names.size(); ++i)
      tensor.parts.push_back({names.at(i), parse_shape(shapes.at(i))});
  }
  bool sound = !tensor.parts.empty();
  for (const SourcePart& part : tensor.parts) {
    sound = sound && (!tensor.transposed || part.shape.size() == 2);
    for (const int64_t extent : part.shape) sound = sound && extent >= 0;
  }
  if (!sound)
    throw UnreadableError("the names of the imported weights cannot be read: " + tensor.ours +
                          " has no parts, or one of an impossible shape");
  return tensor;
}

}  // namespace

std::vector<SourceTensor> parse_source_json(const std::string& text) {
  std::vector<SourceTensor> list;
  try {
    const json names = json::parse(text);
    for (const json& item : names.at("tensors")) list.push_back(parse_tensor(item));
  } catch (const json::exception& problem) {
    throw UnreadableError(std::string("the names of the imported weights cannot be read: ") + problem.what());
  }
  return list;
}

}  // namespace adder
