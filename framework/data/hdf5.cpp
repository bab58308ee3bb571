#include "framework/data/hdf5.h"

#include <filesystem>
#include <utility>

#include "framework/core/error.h"
#include "framework/data/hdf5_handle.h"

namespace adder {
namespace hdf5 {

void silence() {
  // At exit HDF5 would close once more what it failed to close on a full disk, and crash over it.
  [[maybe_unused]] static const herr_t once = H5dont_atexit();
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

namespace {
herr_t keep_first(unsigned n, const H5E_error2_t* error, void* text) {
  if (n == 0 && error->desc) *static_cast<std::string*>(text) = error->desc;
  return 0;
}
}  // namespace

std::string reason() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &text);
  return text.empty() ? "HDF5 gives no reason" : text;
}

std::vector<std::string> components(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t start = path.starts_with('/') ? 1 : 0; start < path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    parts.push_back(path.substr(start, end - start));
    if (parts.back().empty() || parts.back() == "." || end + 1 == path.size())
      throw UsageError("HDF5 path \"" + path + "\": a name between two \"/\" is empty or \".\"");
    start = end + 1;
  }
  if (path.empty()) throw UsageError("HDF5 path is empty, expected such as \"/model/head.weight\"");
  return parts;
}

std::string absolute(const std::string& path) { return path.starts_with('/') ? path : "/" + path; }

Handle utf8_type() {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return Handle(type, H5Tclose);
}

}  // namespace hdf5

using hdf5::Handle;

namespace {

[[noreturn]] void fail_write(const std::string& file, const std::string& what) {
  throw Error(file + ": " + what + ": " + hdf5::reason());
}

// Objects without times, links in the order of their creation.
Handle group_properties() {
  const hid_t list = H5Pcreate(H5P_GROUP_CREATE);
  H5Pset_link_creation_order(list, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_obj_track_times(list, false);
  return Handle(list, H5Pclose);
}

std::string why_unreadable(const std::string& path) {
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  if (!std::filesystem::exists(status)) return "no such file";
  if (std::filesystem::is_directory(status)) return "is a folder, expected an HDF5 file";
  if (H5Fis_hdf5(path.c_str()) == 0) return "is no HDF5 file (its signature is missing)";
  return "can't be opened as HDF5: ";
}

}  // namespace

// ---- file -------------------------------------------------------------------------------------------------

Hdf5File Hdf5File::open(const std::string& path) {
  hdf5::silence();
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (id < 0) {
    const std::string cause = hdf5::reason();
    const std::string why = why_unreadable(path);
    throw UnreadableError(path + ": " + why + (why.ends_with(": ") ? cause : ""));
  }
  return Hdf5File(path, id, false);
}

Hdf5File Hdf5File::create(const std::string& path, uint64_t user_block) {
  hdf5::silence();
  const Handle list(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
  H5Pset_link_creation_order(list, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_obj_track_times(list, false);
  if (user_block && H5Pset_userblock(list, user_block) < 0)
    fail_write(path,
               "user block of " + std::to_string(user_block) + " bytes, expected 0 or a power of two from 512");
  const hid_t id = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, list, H5P_DEFAULT);
  if (id < 0) fail_write(path, "can't be created");
  return Hdf5File(path, id, true);
}

Hdf5File::Hdf5File(Hdf5File&& other) noexcept
    : file_(std::move(other.file_)), id_(std::exchange(other.id_, -1)), writable_(other.writable_) {}

Hdf5File& Hdf5File::operator=(Hdf5File&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(id_, other.id_);
  std::swap(writable_, other.writable_);
  return *this;
}

Hdf5File::~Hdf5File() {
  if (id_ < 0) return;
  hdf5::silence();
  H5Fclose(id_);
}

int64_t Hdf5File::id() const {
  hdf5::silence();
  if (id_ < 0) throw Error(file_ + ": used after it was closed");
  return id_;
}

void Hdf5File::flush() {
  if (H5Fflush(id(), H5F_SCOPE_GLOBAL) < 0) fail_write(file_, "can't be flushed");
}

void Hdf5File::close() {
  if (id_ < 0) return;
  hdf5::silence();
  const hid_t id = std::exchange(id_, -1);
  const bool flushed = !writable_ || H5Fflush(id, H5F_SCOPE_GLOBAL) >= 0;
  const std::string cause = flushed ? "" : hdf5::reason();
  if (H5Fclose(id) < 0 && flushed) fail_write(file_, "can't be closed");
  if (!flushed) throw Error(file_ + ": can't be flushed: " + cause);
}

// ---- writing ----------------------------------------------------------------------------------------------

void Hdf5File::create_group(const std::string& path) {
  const hid_t file = id();
  const Handle list = group_properties();
  std::string so_far;
  for (const std::string& name : hdf5::components(path)) {
    so_far += "/" + name;
    if (H5Lexists(file, so_far.c_str(), H5P_DEFAULT) > 0) continue;
    const Handle group(H5Gcreate2(file, so_far.c_str(), H5P_DEFAULT, list, H5P_DEFAULT), H5Gclose);
    if (!group.valid()) fail_write(file_, "group " + so_far + " can't be created");
  }
}

void Hdf5File::put(const std::string& path, int64_t file_type, int64_t memory_type, const Shape& shape,
                   const void* values) {
  const hid_t file = id();
  const std::string full = hdf5::absolute(path);
  if (hdf5::components(full).empty())
    throw UsageError(file_ + ": \"/\" is the root group, expected a dataset's path");
  if (const size_t slash = full.rfind('/'); slash > 0) create_group(full.substr(0, slash));
  if (exists(full)) throw Error(file_ + ": dataset " + full + " is there already");

  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  const Handle space(
      dims.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(int(dims.size()), dims.data(), nullptr),
      H5Sclose);
  const Handle list(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_layout(list, H5D_CONTIGUOUS);
  H5Pset_obj_track_times(list, false);
  const Handle set(H5Dcreate2(file, full.c_str(), file_type, space, H5P_DEFAULT, list, H5P_DEFAULT), H5Dclose);
  if (!set.valid()) fail_write(file_, "dataset " + full + " can't be created");
  if (H5Dwrite(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
    fail_write(file_, "dataset " + full + " can't be written");
}

void Hdf5File::write(const std::string& path, const Tensor& values) {
  const Tensor even = values.contiguous() ? values : values.clone();
  switch (even.dtype()) {
    case DType::f32: return put(path, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, even.shape(), even.raw());
    case DType::f64: return put(path, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, even.shape(), even.raw());
    case DType::i32: return put(path, H5T_STD_I32LE, H5T_NATIVE_INT32, even.shape(), even.raw());
    case DType::bf16: return write(path, even.to(DType::f32));
  }
}

void Hdf5File::write_bytes(const std::string& path, const std::vector<uint8_t>& bytes) {
  const uint8_t none = 0;  // HDF5 wants an address even for no bytes
  put(path, H5T_STD_U8LE, H5T_NATIVE_UINT8, {int64_t(bytes.size())}, bytes.empty() ? &none : bytes.data());
}

void Hdf5File::write_int64(const std::string& path, int64_t value) {
  put(path, H5T_STD_I64LE, H5T_NATIVE_INT64, {}, &value);
}
void Hdf5File::write_uint64(const std::string& path, uint64_t value) {
  put(path, H5T_STD_U64LE, H5T_NATIVE_UINT64, {}, &value);
}
void Hdf5File::write_double(const std::string& path, double value) {
  put(path, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {}, &value);
}

namespace {
// HDF5's variable-length strings end at the first NUL.
const char* c_string(const std::string& file, const std::string& where, const std::string& text) {
  if (text.find('\0') != std::string::npos)
    throw Error(file + ": " + where + ": text with a NUL character can't be stored as a string");
  return text.c_str();
}
}  // namespace

void Hdf5File::write_string(const std::string& path, const std::string& text) {
  const char* value = c_string(file_, "dataset " + hdf5::absolute(path), text);
  const Handle type = hdf5::utf8_type();
  put(path, type, type, {}, &value);
}

void Hdf5File::put_attribute(const std::string& path, const std::string& name, int64_t file_type,
                             int64_t memory_type, const void* value) {
  const std::string full = hdf5::absolute(path);
  const Handle object(H5Oopen(id(), full.c_str(), H5P_DEFAULT), H5Oclose);
  if (!object.valid()) throw Error(file_ + ": no dataset or group " + full + " to carry attribute " + name);
  if (H5Aexists(object, name.c_str()) > 0) H5Adelete(object, name.c_str());
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const Handle attribute(H5Acreate2(object, name.c_str(), file_type, space, H5P_DEFAULT, H5P_DEFAULT),
                         H5Aclose);
  if (!attribute.valid() || H5Awrite(attribute, memory_type, value) < 0)
    fail_write(file_, "attribute " + name + " of " + full + " can't be written");
}

void Hdf5File::set_attribute(const std::string& path, const std::string& name, const std::string& text) {
  const char* value = c_string(file_, "attribute " + name, text);
  const Handle type = hdf5::utf8_type();
  put_attribute(path, name, type, type, &value);
}
void Hdf5File::set_attribute(const std::string& path, const std::string& name, int64_t value) {
  put_attribute(path, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}
void Hdf5File::set_attribute(const std::string& path, const std::string& name, uint64_t value) {
  put_attribute(path, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, &value);
}
void Hdf5File::set_attribute(const std::string& path, const std::string& name, double value) {
  put_attribute(path, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}

}  // namespace adder
