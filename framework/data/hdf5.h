// An HDF5 file: typed datasets and attributes by path, errors that name file, path, what was found and what was
// expected. `/` separates groups; a name may contain dots (`/model/blocks.0.norm.weight` is one link in one
// group). A file that can't be opened or read is an UnreadableError, one that can't be written an Error.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "framework/core/tensor.h"

namespace adder {

struct Hdf5Dataset {
  std::string path;   // from the root, "/model/embedding.weight"
  Shape shape;
  std::string dtype;  // as it lies in the file: "float32", "int64", "uint8", "bfloat16", "string", …
};

class Hdf5File {
 public:
  static Hdf5File open(const std::string& path);  // to read; a user block in front is found by itself
  // To write, replacing what was there. `user_block` bytes in front (0, or a power of two from 512) stay free.
  // Nothing in the file depends on the time: the same calls give the same bytes.
  static Hdf5File create(const std::string& path, uint64_t user_block = 0);
  Hdf5File(Hdf5File&& other) noexcept;
  Hdf5File& operator=(Hdf5File&& other) noexcept;
  ~Hdf5File();  // closes without a word; who writes calls close()

  void flush();  // to the operating system; no fsync
  void close();  // flushes, and reports what went wrong; a second call does nothing
  const std::string& file() const { return file_; }

  bool exists(const std::string& path) const;  // a dataset or a group
  // All datasets below a group, in the order of their creation where the file kept it, else by name.
  std::vector<Hdf5Dataset> datasets(const std::string& group = "/") const;
  Hdf5Dataset describe(const std::string& path) const;

  // float16, bfloat16 and float32 become float32, wider floats float64; integers become int32, and one that
  // does not fit is an error that names it.
  Tensor read(const std::string& path) const;
  // The file must hold exactly this type and shape.
  Tensor read(const std::string& path, DType dtype, const Shape& shape) const;
  std::vector<int64_t> read_integers(const std::string& path) const;  // any shape, row-major
  std::vector<uint8_t> read_bytes(const std::string& path) const;     // uint8, one axis
  int64_t read_int64(const std::string& path) const;    // scalars: rank 0, or one element
  uint64_t read_uint64(const std::string& path) const;
  double read_double(const std::string& path) const;
  std::string read_string(const std::string& path) const;

  // Contiguous and little-endian; groups on the way are made; an existing dataset is an error.
  void write(const std::string& path, const Tensor& values);
  void write_bytes(const std::string& path, const std::vector<uint8_t>& bytes);
  void write_int64(const std::string& path, int64_t value);
  void write_uint64(const std::string& path, uint64_t value);
  void write_double(const std::string& path, double value);
  void write_string(const std::string& path, const std::string& text);  // variable length, UTF-8, no NUL
  void write_strings(const std::string& path, const std::vector<std::string>& texts);  // one axis
  // Makes the axes of a dataset known by other datasets of one axis each ("lag", "probe"), so that netCDF's readers, such
  // as xarray, know them: HDF5's dimension scales. One for each axis, of its length, or an Error.
  void set_scales(const std::string& dataset, const std::vector<std::string>& scales);
  void create_group(const std::string& path);  // and those on the way; nothing where it is there

  // Attributes of a dataset or group ("/" is the root); setting one again replaces it.
  void set_attribute(const std::string& path, const std::string& name, const std::string& text);
  void set_attribute(const std::string& path, const std::string& name, int64_t value);
  void set_attribute(const std::string& path, const std::string& name, uint64_t value);
  void set_attribute(const std::string& path, const std::string& name, double value);
  bool has_attribute(const std::string& path, const std::string& name) const;
  std::string string_attribute(const std::string& path, const std::string& name) const;
  int64_t int64_attribute(const std::string& path, const std::string& name) const;
  uint64_t uint64_attribute(const std::string& path, const std::string& name) const;
  double double_attribute(const std::string& path, const std::string& name) const;

 private:
  Hdf5File(std::string file, int64_t id, bool writable)
      : file_(std::move(file)), id_(id), writable_(writable) {}
  int64_t id() const;  // HDF5's identifier; an error once closed
  void put(const std::string& path, int64_t file_type, int64_t memory_type, const Shape& shape,
           const void* values);
  void put_attribute(const std::string& path, const std::string& name, int64_t file_type, int64_t memory_type,
                     const void* value);

  std::string file_;
  int64_t id_ = -1;
  bool writable_ = false;
};

}  // namespace adder
