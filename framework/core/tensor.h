// Tensor: shape, dtype, device and shared storage. Row-major, last axis contiguous; leading strides are free,
// so splitting heads or gates copies nothing. Sizes and strides count elements.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "framework/core/shape.h"
#include "kernels/bfloat16.h"
#include "kernels/device.h"

namespace adder {

using kernels::Device;

enum class DType { f32, f64, i32, bf16 };  // bf16 is storage: what an op keeps for later in half of the bytes
const char* name(DType dtype);      // "float32", "float64", "int32", "bfloat16"
size_t bytes_of(DType dtype);
template <class T> constexpr DType dtype_of();
template <> constexpr DType dtype_of<float>() { return DType::f32; }
template <> constexpr DType dtype_of<double>() { return DType::f64; }
template <> constexpr DType dtype_of<int32_t>() { return DType::i32; }
template <> constexpr DType dtype_of<kernels::BFloat16>() { return DType::bf16; }

struct Storage;

class Tensor {
 public:
  Tensor() = default;  // undefined: holds nothing
  static Tensor empty(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu);
  static Tensor zeros(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu);
  static Tensor full(const Shape& shape, double value, DType dtype = DType::f32, Device device = Device::cpu);
  template <class T>
  static Tensor from(const Shape& shape, std::span<const T> values);
  template <class T>
  static Tensor from(const Shape& shape, const std::vector<T>& values) { return from(shape, std::span<const T>(values)); }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }
  int rank() const { return int(shape_.size()); }
  int64_t dim(int axis) const { return shape_[size_t(axis < 0 ? axis + rank() : axis)]; }
  int64_t stride(int axis) const { return strides_[size_t(axis < 0 ? axis + rank() : axis)]; }
  int64_t size() const { return element_count(shape_); }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  template <class T>
  T* data() const;         // an error where T is not the dtype
  void* raw() const;
  bool contiguous() const;
  bool rows_collapse() const;                       // leading axes step evenly: one row stride describes it
  int64_t rows() const;                             // product of all axes but the last; 1 for rank 0 and 1
  int64_t columns() const { return rank() ? dim(-1) : 1; }
  int64_t row_stride() const;                       // elements from row to row; needs rows_collapse()

  Tensor narrow(int axis, int64_t start, int64_t length) const;  // a view
  Tensor reshape(const Shape& shape) const;         // a view where strides allow it, else a copy
  Tensor clone() const;                             // a contiguous copy
  Tensor with_even_rows() const { return rows_collapse() ? *this : clone(); }
  Tensor to(DType dtype) const;                     // itself where it already is
  void copy_from(const Tensor& other) const;        // same shape, any dtype; to bfloat16 by way of float32
  void fill(double value) const;
  void zero() const;
  void add(const Tensor& other) const;              // this += other, same shape and dtype
  double item(int64_t index = 0) const;             // element in row-major order, as a double
  bool shares_storage() const;                      // another tensor holds the same storage
  bool same_storage(const Tensor& other) const { return storage_ && storage_ == other.storage_; }

  // Whether products with this matrix of weights take bfloat16 operands (ops/linear.h; float32 alone). Views keep the
  // mark, copies do not.
  bool multiplies_in_bf16() const { return bf16_products_ && dtype_ == DType::f32; }
  void multiply_in_bf16(bool on) { bf16_products_ = on; }

  // Where a matrix of weights is kept once more, as products of few rows read it (ops/panels.h fills it in). Null: nowhere.
  // Neither views nor clones have it. Whoever sets it sees to it that the matrix stays as it is until it is closed.
  struct Panels;
  const std::shared_ptr<Panels>& panels() const { return panels_; }
  void keep_panels(std::shared_ptr<Panels> panels) { panels_ = std::move(panels); }

  static Tensor like(const Tensor& t) { return empty(t.shape(), t.dtype(), t.device()); }

 private:
  Tensor view() const;                              // of all of it

  std::shared_ptr<Storage> storage_;
  Shape shape_, strides_;
  int64_t offset_ = 0;
  DType dtype_ = DType::f32;
  Device device_ = Device::cpu;
  bool bf16_products_ = false;
  std::shared_ptr<Panels> panels_;
};

struct Tensor::Panels {
  Tensor data;   // undefined until they are made
  int form = 0;  // what they are made for
  bool closed = false;  // not to be read any more, whoever still has them
};

struct NamedTensor {
  std::string name;
  Tensor value;
};

// Calls f with a value of the C++ type: by_dtype(x.dtype(), [&](auto zero) { using T = decltype(zero); … }).
[[noreturn]] void refuse_dtype(DType dtype);
template <class F>
decltype(auto) by_dtype(DType dtype, F&& f) {
  if (dtype == DType::f32) return f(float{});
  if (dtype == DType::f64) return f(double{});
  refuse_dtype(dtype);
}

// The caching arena behind every tensor's storage. During a rehearsal (kernels/rehearsal.h) all of this tells of
// another one, which keeps count only.
namespace arena {
int64_t system_allocations();         // how often the system was asked for memory so far
int64_t bytes_in_use();
int64_t peak_bytes_in_use();
void reset_peak();
int64_t bytes_held();                 // in use, or kept for the next tensors: what the process grows by
void set_poison(bool on);             // fresh buffers are filled with NaN (tests)
bool poison();
void trim();                          // gives cached memory back, as far as nothing stands amid it
}  // namespace arena

}  // namespace adder
