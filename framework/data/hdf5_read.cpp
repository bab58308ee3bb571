// The reading half of Hdf5File.
#include <filesystem>
#include <limits>
#include <set>

#include "framework/core/error.h"
#include "framework/data/hdf5.h"
#include "framework/data/hdf5_handle.h"

namespace adder {

using hdf5::Handle;

std::string hdf5::type_name(hid_t type) {
  const std::string bits = std::to_string(8 * H5Tget_size(type));
  switch (H5Tget_class(type)) {
    case H5T_FLOAT: return bits == "16" && H5Tget_ebias(type) == 127 ? "bfloat16" : "float" + bits;
    case H5T_INTEGER: return (H5Tget_sign(type) == H5T_SGN_NONE ? "uint" : "int") + bits;
    case H5T_STRING: return "string";
    case H5T_ENUM: return "enum" + bits;
    case H5T_COMPOUND: return "compound";
    case H5T_ARRAY: return "array";
    default: return "a type of another kind";
  }
}

namespace {

Shape shape_of(hid_t space, const std::string& where) {
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank > int(Shape::kMaxRank))
    throw UnreadableError(where + " has " + std::to_string(rank) + " axes, expected at most " + std::to_string(Shape::kMaxRank));
  std::vector<hsize_t> dims(size_t(std::max(rank, 0)));
  if (rank > 0) H5Sget_simple_extent_dims(space, dims.data(), nullptr);
  return Shape(dims.begin(), dims.end());
}

// A dataset or an attribute while it is read.
struct Source {
  std::string where;  // "run.h5: dataset /step"
  Handle object, type, space;
  Shape shape;
  bool attribute;

  Source(const std::string& file, hid_t id, const std::string& path)
      : where(file + ": dataset " + path), object(open_dataset(file, id, path), H5Dclose),
        type(H5Dget_type(object), H5Tclose), space(H5Dget_space(object), H5Sclose), shape(shape_of(space, where)),
        attribute(false) {}
  Source(const std::string& file, hid_t owner, const std::string& path, const std::string& name)
      : where(file + ": attribute " + name + " of " + path),
        object(open_attribute(owner, name, where), H5Aclose),
        type(H5Aget_type(object), H5Tclose),
        space(H5Aget_space(object), H5Sclose),
        shape(shape_of(space, where)),
        attribute(true) {}

  static hid_t open_dataset(const std::string& file, hid_t id, const std::string& path) {
    const hid_t set = H5Dopen2(id, path.c_str(), H5P_DEFAULT);
    if (set < 0) {
      const std::string cause = hdf5::reason();
      const bool there = H5Oexists_by_name(id, path.c_str(), H5P_DEFAULT) > 0;
      throw UnreadableError(file + (there ? ": " + path + " can't be read as a dataset: " + cause
                                          : ": there is no dataset " + path));
    }
    return set;
  }
  static hid_t open_attribute(hid_t owner, const std::string& name, const std::string& where) {
    const hid_t attribute = H5Aopen(owner, name.c_str(), H5P_DEFAULT);
    if (attribute < 0) throw UnreadableError(where + " is missing");
    return attribute;
  }

  H5T_class_t kind() const { return H5Tget_class(type); }
  bool integer() const { return kind() == H5T_INTEGER || kind() == H5T_ENUM; }
  bool unsigned64() const {
    return kind() == H5T_INTEGER && H5Tget_size(type) >= 8 && H5Tget_sign(type) == H5T_SGN_NONE;
  }
  std::string found() const { return hdf5::type_name(type) + " " + to_string(shape); }
  [[noreturn]] void refuse(const std::string& expected) const {
    throw UnreadableError(where + ": found " + found() + ", expected " + expected);
  }

  // The number of elements, once it is sure that the file can hold them.
  int64_t count() const {
    const hssize_t points = H5Sget_simple_extent_npoints(space);
    const bool null_space = H5Sget_simple_extent_type(space) == H5S_NULL;
    if (points < 0 || null_space) refuse("values");
    return points;
  }
  void check_fits(const std::string& file) const {
    const Handle list(H5Dget_create_plist(object), H5Pclose);
    if (H5Pget_layout(list) != H5D_CONTIGUOUS || H5Pget_external_count(list) > 0) return;
    std::error_code code;
    const uint64_t bytes = std::filesystem::file_size(file, code);
    if (!code && uint64_t(count()) > bytes / std::max<size_t>(H5Tget_size(type), 1))
      throw UnreadableError(where + ": " + found() + " is more than the file's " + std::to_string(bytes) +
                            " bytes");
  }

  void get(hid_t memory_type, void* values) const {
    const herr_t status = attribute ? H5Aread(object, memory_type, values)
                                    : H5Dread(object, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    if (status < 0) throw UnreadableError(where + " can't be read: " + hdf5::reason());
  }
  template <class T>
  T one(hid_t memory_type) const {
    if (count() != 1) refuse("a single value");
    T value{};
    get(memory_type, &value);
    return value;
  }
  int64_t one_int64() const {
    if (!integer()) refuse("an integer");
    if (unsigned64()) return below_limit(one<uint64_t>(H5T_NATIVE_UINT64));
    return one<int64_t>(H5T_NATIVE_INT64);
  }
  uint64_t one_uint64() const {
    if (!integer()) refuse("an integer");
    if (unsigned64()) return one<uint64_t>(H5T_NATIVE_UINT64);
    const int64_t value = one<int64_t>(H5T_NATIVE_INT64);
    if (value < 0) throw UnreadableError(where + ": found " + std::to_string(value) + ", expected 0 or more");
    return uint64_t(value);
  }
  double one_double() const {
    if (!integer() && kind() != H5T_FLOAT) refuse("a number");
    return one<double>(H5T_NATIVE_DOUBLE);
  }
  int64_t below_limit(uint64_t value) const {
    if (value > uint64_t(std::numeric_limits<int64_t>::max()))
      throw UnreadableError(where + ": found " + std::to_string(value) + ", expected at most 2^63 - 1");
    return int64_t(value);
  }
  std::string one_string() const {
    if (kind() != H5T_STRING || count() != 1) refuse("a single string");
    const Handle memory(H5Tcopy(type), H5Tclose);  // keeps the character set
    if (H5Tis_variable_str(type) > 0) {
      char* text = nullptr;
      get(memory, &text);
      const std::string copy = text ? text : "";
      H5free_memory(text);
      return copy;
    }
    std::string text(H5Tget_size(type), '\0');
    get(memory, text.data());
    return text.substr(0, text.find('\0'));
  }
  std::vector<int64_t> integers() const {
    std::vector<int64_t> values(static_cast<size_t>(count()));
    if (values.empty()) return values;
    if (!unsigned64()) {
      get(H5T_NATIVE_INT64, values.data());
      return values;
    }
    std::vector<uint64_t> wide(values.size());
    get(H5T_NATIVE_UINT64, wide.data());
    for (size_t i = 0; i < wide.size(); ++i) values[i] = below_limit(wide[i]);
    return values;
  }
};

Tensor as_int32(const Source& source) {
  Tensor t = Tensor::empty(source.shape, DType::i32);
  const size_t size = H5Tget_size(source.type);
  const bool has_sign = source.kind() == H5T_ENUM || H5Tget_sign(source.type) != H5T_SGN_NONE;
  if (size < 4 || (size == 4 && has_sign)) {
    if (t.size()) source.get(H5T_NATIVE_INT32, t.raw());
    return t;
  }
  const std::vector<int64_t> wide = source.integers();
  for (size_t i = 0; i < wide.size(); ++i) {
    if (wide[i] != int32_t(wide[i]))
      throw UnreadableError(source.where + ": element " + std::to_string(i) + " is " + std::to_string(wide[i]) +
                            ", expected an integer of 32 bits");
    t.data<int32_t>()[i] = int32_t(wide[i]);
  }
  return t;
}

void walk(const std::string& file, hid_t id, const std::string& group, std::set<haddr_t>& seen,
          std::vector<Hdf5Dataset>& found) {
  const Handle at(H5Gopen2(id, group.c_str(), H5P_DEFAULT), H5Gclose);
  H5G_info_t info;
  if (!at.valid() || H5Gget_info(at, &info) < 0) throw UnreadableError(file + ": there is no group " + group);
  const Handle list(H5Gget_create_plist(at), H5Pclose);
  unsigned order = 0;
  H5Pget_link_creation_order(list, &order);
  const H5_index_t index = order & H5P_CRT_ORDER_TRACKED ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    char start[256];
    const ssize_t length = H5Lget_name_by_idx(at, ".", index, H5_ITER_INC, i, start, sizeof start, H5P_DEFAULT);
    if (length < 0) throw UnreadableError(file + ": group " + group + " can't be listed: " + hdf5::reason());
    std::string name(size_t(length) + 1, '\0');
    H5Lget_name_by_idx(at, ".", index, H5_ITER_INC, i, name.data(), name.size(), H5P_DEFAULT);
    name.pop_back();
    const std::string path = (group == "/" ? "" : group) + "/" + name;
    H5O_info_t object;
    if (H5Oget_info_by_name2(at, name.c_str(), &object, H5O_INFO_BASIC, H5P_DEFAULT) < 0)
      continue;  // dangling link
    if (object.type == H5O_TYPE_GROUP) {
      if (seen.insert(object.addr).second) walk(file, id, path, seen, found);  // a link back would never end
    } else if (object.type == H5O_TYPE_DATASET) {
      const Source source(file, id, path);
      found.push_back({path, source.shape, hdf5::type_name(source.type)});
    }
  }
}

}  // namespace

bool Hdf5File::exists(const std::string& path) const {
  const hid_t file = id();
  std::string so_far;
  for (const std::string& name : hdf5::components(path)) {
    so_far += "/" + name;
    if (H5Lexists(file, so_far.c_str(), H5P_DEFAULT) <= 0) return false;
  }
  return so_far.empty() || H5Oexists_by_name(file, so_far.c_str(), H5P_DEFAULT) > 0;
}

std::vector<Hdf5Dataset> Hdf5File::datasets(const std::string& group) const {
  std::vector<Hdf5Dataset> found;
  std::set<haddr_t> seen;
  walk(file_, id(), hdf5::absolute(group), seen, found);
  return found;
}

Hdf5Dataset Hdf5File::describe(const std::string& path) const {
  const Source source(file_, id(), hdf5::absolute(path));
  return {hdf5::absolute(path), source.shape, hdf5::type_name(source.type)};
}

Tensor Hdf5File::read(const std::string& path) const {
  const Source source(file_, id(), hdf5::absolute(path));
  if (!source.integer() && source.kind() != H5T_FLOAT) source.refuse("numbers");
  source.check_fits(file_);
  source.count();
  if (source.integer()) return as_int32(source);
  const bool wide = H5Tget_size(source.type) > 4;
  Tensor t = Tensor::empty(source.shape, wide ? DType::f64 : DType::f32);
  if (t.size()) source.get(wide ? H5T_NATIVE_DOUBLE : H5T_NATIVE_FLOAT, t.raw());
  return t;
}

Tensor Hdf5File::read(const std::string& path, DType dtype, const Shape& shape) const {
  const Source source(file_, id(), hdf5::absolute(path));
  if (hdf5::type_name(source.type) != name(dtype) || source.shape != shape)
    source.refuse(std::string(name(dtype)) + " " + to_string(shape));
  return read(path).to(dtype);
}

std::vector<int64_t> Hdf5File::read_integers(const std::string& path) const {
  const Source source(file_, id(), hdf5::absolute(path));
  if (!source.integer()) source.refuse("integers");
  source.check_fits(file_);
  return source.integers();
}

std::vector<uint8_t> Hdf5File::read_bytes(const std::string& path) const {
  const Source source(file_, id(), hdf5::absolute(path));
  if (hdf5::type_name(source.type) != "uint8" || source.shape.size() != 1) source.refuse("uint8 with one axis");
  source.check_fits(file_);
  std::vector<uint8_t> bytes(size_t(source.count()));
  if (!bytes.empty()) source.get(H5T_NATIVE_UINT8, bytes.data());
  return bytes;
}

int64_t Hdf5File::read_int64(const std::string& path) const {
  return Source(file_, id(), hdf5::absolute(path)).one_int64();
}
uint64_t Hdf5File::read_uint64(const std::string& path) const {
  return Source(file_, id(), hdf5::absolute(path)).one_uint64();
}
double Hdf5File::read_double(const std::string& path) const {
  return Source(file_, id(), hdf5::absolute(path)).one_double();
}
std::string Hdf5File::read_string(const std::string& path) const {
  return Source(file_, id(), hdf5::absolute(path)).one_string();
}

// ---- attributes -------------------------------------------------------------------------------------------
namespace {

Handle owner_of(const std::string& file, hid_t id, const std::string& path) {
  const hid_t object = H5Oopen(id, path.c_str(), H5P_DEFAULT);
  if (object < 0) throw UnreadableError(file + ": there is no dataset or group " + path);
  return Handle(object, H5Oclose);
}

}  // namespace

bool Hdf5File::has_attribute(const std::string& path, const std::string& name) const {
  return H5Aexists(owner_of(file_, id(), hdf5::absolute(path)), name.c_str()) > 0;
}
std::string Hdf5File::string_attribute(const std::string& path, const std::string& name) const {
  return Source(file_, owner_of(file_, id(), hdf5::absolute(path)), path, name).one_string();
}
int64_t Hdf5File::int64_attribute(const std::string& path, const std::string& name) const {
  return Source(file_, owner_of(file_, id(), hdf5::absolute(path)), path, name).one_int64();
}
uint64_t Hdf5File::uint64_attribute(const std::string& path, const std::string& name) const {
  return Source(file_, owner_of(file_, id(), hdf5::absolute(path)), path, name).one_uint64();
}
double Hdf5File::double_attribute(const std::string& path, const std::string& name) const {
  return Source(file_, owner_of(file_, id(), hdf5::absolute(path)), path, name).one_double();
}

}  // namespace adder
