#include "framework/core/tensor.h"

#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <mutex>
#include <new>
#include <utility>

#include "framework/core/blocks.h"
#include "framework/core/error.h"
#include "kernels/elementwise.h"
#include "kernels/rehearsal.h"

namespace adder {

using kernels::BFloat16;

const char* name(DType dtype) {
  switch (dtype) {
    case DType::f32: return "float32";
    case DType::f64: return "float64";
    case DType::i32: return "int32";
    case DType::bf16: return "bfloat16";
  }
  return "?";
}
size_t bytes_of(DType dtype) { return dtype == DType::f64 ? 8 : dtype == DType::bf16 ? 2 : 4; }

void refuse_dtype(DType dtype) { throw Error(std::string("expected float32 or float64, found ") + name(dtype)); }

// ---- arena ---------------------------------------------------------------------------------------------------
namespace {

#ifdef ADDER_ASAN
constexpr bool kCaching = false;  // each buffer by itself, so that the sanitizer sees its bounds
#else
constexpr bool kCaching = true;
#endif

// Bytes. Up to kSmall buffers come from lists, one a size; larger ones are cut out of pieces of address space.
constexpr size_t kSmall = 32 << 10, kGrain = 64, kPiece = size_t(1) << 30;

// Small sizes are rounded up to 1/8 of a power of two, so that slightly different buffers share a list; large ones to lines.
size_t rounded(size_t bytes) {
  constexpr size_t least = 256;
  if (!kCaching) return std::max<size_t>(bytes, 1);
  if (bytes <= least) return least;
  const size_t step = bytes > kSmall ? least : std::max<size_t>(std::bit_floor(bytes - 1) / 8, kGrain);
  return (bytes + step - 1) / step * step;
}

struct Buffer {
  void* memory;
  size_t size;
  uintptr_t begin;  // of a large one: where its block begins, in a rehearsal at no memory; else 0
};

struct Arena {
  explicit Arena(bool only_counts) : rehearsed(only_counts) {}

  const bool rehearsed;  // then lists and blocks hold sizes alone, and every buffer is fresh
  std::mutex mutex;
  std::array<std::vector<void*>, kSmall / kGrain + 1> free_lists[2];  // of size 0, kGrain, 2 kGrain, …
  Blocks blocks[2];
  uintptr_t imagined = kPiece;  // where the next piece of a rehearsal begins
  int64_t system_allocations = 0, in_use = 0, peak = 0, small_held = 0;
  bool poison = false;

  Buffer take(Device device, size_t size) {
    const std::lock_guard lock(mutex);
    Buffer buffer{nullptr, size, 0};
    if (kCaching && size > kSmall) {
      buffer.begin = block(device, size);
      if (!rehearsed) buffer.memory = reinterpret_cast<void*>(buffer.begin);
    } else if (!listed(device, size, buffer.memory)) {
      if (!rehearsed) buffer.memory = kernels::allocate(device, size);
      ++system_allocations;
      small_held += int64_t(size);
    }
    if (rehearsed) buffer.memory = kernels::reserve(size);
    in_use += int64_t(size);
    peak = std::max(peak, in_use);
    return buffer;
  }

  // A buffer given back before, if there is one.
  bool listed(Device device, size_t size, void*& memory) {
    if (!kCaching) return false;
    std::vector<void*>& list = free_lists[int(device)][size / kGrain];
    if (list.empty()) return false;
    memory = list.back();
    list.pop_back();
    return true;
  }

  uintptr_t block(Device device, size_t size) {
    Blocks& all = blocks[int(device)];
    if (const uintptr_t begin = all.take(size)) return begin;
    all.add(piece(device, size));
    ++system_allocations;
    return all.take(size);
  }

  // Memory that was never touched costs nothing, so a piece is large; it is smaller where the process may not have as much.
  Block piece(Device device, size_t least) {
    for (size_t size = std::max(least, kPiece);; size = std::max(least, size / 2)) {
      if (rehearsed) return {std::exchange(imagined, imagined + size + kPiece), size};
      try {
        return {reinterpret_cast<uintptr_t>(kernels::allocate(device, size)), size};
      } catch (const std::bad_alloc&) {
        if (size == least) throw;
      }
    }
  }

  void give_back(Device device, const Buffer& buffer) {
    const std::lock_guard lock(mutex);
    in_use -= int64_t(buffer.size);
    if (rehearsed) kernels::release_reserved(buffer.memory, buffer.size);
    if (buffer.begin) return blocks[int(device)].give_back({buffer.begin, buffer.size});
    if (kCaching) free_lists[int(device)][buffer.size / kGrain].push_back(rehearsed ? nullptr : buffer.memory);
    else small_held -= int64_t(buffer.size);
    if (!kCaching && !rehearsed) kernels::release(device, buffer.memory);
  }

  int64_t held() const { return small_held + int64_t(blocks[0].used_before() + blocks[1].used_before()); }

  void trim() {
    const std::lock_guard lock(mutex);
    for (int d = 0; d < 2; ++d) {
      for (size_t i = 0; i < free_lists[d].size(); ++i) {
        small_held -= int64_t(i * kGrain * free_lists[d][i].size());
        for (void* memory : std::exchange(free_lists[d][i], {}))
          if (!rehearsed) kernels::release(Device(d), memory);
      }
      for (const Block& piece : blocks[d].remove_unused())
        if (!rehearsed) kernels::release(Device(d), reinterpret_cast<void*>(piece.begin));
    }
  }
};

// They outlive every tensor, whatever the order of destruction.
Arena& arena_of(bool rehearsed) {
  static Arena& real = *new Arena(false);
  static Arena& imagined = *new Arena(true);
  return rehearsed ? imagined : real;
}
Arena& the_arena() { return arena_of(kernels::rehearsing()); }

}  // namespace

namespace arena {
int64_t system_allocations() { return the_arena().system_allocations; }
int64_t bytes_in_use() { return the_arena().in_use; }
int64_t peak_bytes_in_use() { return the_arena().peak; }
int64_t bytes_held() { return the_arena().held(); }
void reset_peak() { the_arena().peak = the_arena().in_use; }
void set_poison(bool on) { the_arena().poison = on; }
bool poison() { return the_arena().poison; }
void trim() { the_arena().trim(); }
}  // namespace arena

struct Storage {
  Device device;
  bool rehearsed;
  Buffer buffer;
  Storage(Device d, size_t bytes)
      : device(d), rehearsed(kernels::rehearsing()), buffer(arena_of(rehearsed).take(device, rounded(bytes))) {}
  ~Storage() { arena_of(rehearsed).give_back(device, buffer); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
};

// ---- tensor --------------------------------------------------------------------------------------------------
namespace {

Shape row_major(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (int i = int(shape.size()) - 2; i >= 0; --i) strides[size_t(i)] = strides[size_t(i) + 1] * shape[size_t(i) + 1];
  return strides;
}

// f(offset a, offset b) for each row (last axis) of two tensors of one shape.
template <class F>
void for_each_row(const Tensor& a, const Tensor& b, F f) {
  const int64_t rows = a.rows();
  Shape index(size_t(std::max(0, a.rank() - 1)), 0);
  for (int64_t r = 0; r < rows; ++r) {
    int64_t ia = 0, ib = 0;
    for (size_t axis = 0; axis < index.size(); ++axis) {
      ia += index[axis] * a.strides()[axis];
      ib += index[axis] * b.strides()[axis];
    }
    f(ia, ib);
    for (int axis = int(index.size()) - 1; axis >= 0; --axis) {
      if (++index[size_t(axis)] < a.shape()[size_t(axis)]) break;
      index[size_t(axis)] = 0;
    }
  }
}

// Floats mean nothing in a rehearsal, and writing them would cost memory.
bool imagined(DType dtype) { return dtype != DType::i32 && kernels::rehearsing(); }

template <class F>
decltype(auto) by_any_dtype(DType dtype, F&& f) {
  if (dtype == DType::i32) return f(int32_t{});
  if (dtype == DType::bf16) return f(BFloat16{});
  return by_dtype(dtype, std::forward<F>(f));
}

template <class To, class From>
To converted(From x) {
  if constexpr (std::is_same_v<To, BFloat16>) return BFloat16(float(x));
  else return To(x);
}

}  // namespace

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  Tensor t;
  t.shape_ = shape;
  t.strides_ = row_major(shape);
  t.dtype_ = dtype;
  t.device_ = device;
  t.storage_ = std::make_shared<Storage>(device, size_t(element_count(shape)) * bytes_of(dtype));
  if (arena::poison() && dtype != DType::i32) t.fill(std::numeric_limits<double>::quiet_NaN());
  return t;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  t.zero();
  return t;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  t.fill(value);
  return t;
}

template <class T>
Tensor Tensor::from(const Shape& shape, std::span<const T> values) {
  if (int64_t(values.size()) != element_count(shape))
    throw Error("[tensor] " + std::to_string(values.size()) + " values for shape " + adder::to_string(shape));
  Tensor t = empty(shape, dtype_of<T>());
  if (!values.empty()) std::memcpy(t.raw(), values.data(), values.size_bytes());
  return t;
}
template Tensor Tensor::from(const Shape&, std::span<const float>);
template Tensor Tensor::from(const Shape&, std::span<const double>);
template Tensor Tensor::from(const Shape&, std::span<const int32_t>);

template <class T>
T* Tensor::data() const {
  if (!storage_) throw Error("[tensor] data of an undefined tensor");
  if (dtype_of<T>() != dtype_)
    throw Error(std::string("[tensor] dtype is ") + name(dtype_) + ", expected " + name(dtype_of<T>()));
  return static_cast<T*>(storage_->buffer.memory) + offset_;
}
template float* Tensor::data() const;
template double* Tensor::data() const;
template int32_t* Tensor::data() const;
template BFloat16* Tensor::data() const;

void* Tensor::raw() const {
  if (!storage_) throw Error("[tensor] data of an undefined tensor");
  return static_cast<char*>(storage_->buffer.memory) + size_t(offset_) * bytes_of(dtype_);
}

bool Tensor::contiguous() const {
  const Shape want = row_major(shape_);
  for (size_t i = 0; i < shape_.size(); ++i)
    if (shape_[i] != 1 && strides_[i] != want[i]) return false;
  return true;
}

bool Tensor::rows_collapse() const {
  int64_t expected = -1;  // the stride of the next axis outwards, once one is known
  for (int i = rank() - 2; i >= 0; --i) {
    if (shape_[size_t(i)] == 1) continue;
    if (expected >= 0 && strides_[size_t(i)] != expected) return false;
    expected = strides_[size_t(i)] * shape_[size_t(i)];
  }
  return true;
}

int64_t Tensor::rows() const {
  int64_t n = 1;
  for (int i = 0; i + 1 < rank(); ++i) n *= shape_[size_t(i)];
  return n;
}

int64_t Tensor::row_stride() const {
  for (int i = rank() - 2; i >= 0; --i)
    if (shape_[size_t(i)] != 1) return strides_[size_t(i)];
  return columns();
}

Tensor Tensor::view() const {
  Tensor t = *this;
  t.panels_ = nullptr;
  return t;
}

Tensor Tensor::narrow(int axis, int64_t start, int64_t length) const {
  const size_t a = size_t(axis < 0 ? axis + rank() : axis);
  if (a >= shape_.size() || start < 0 || length < 0 || start + length > shape_[a])
    throw Error("[narrow] axis " + std::to_string(axis) + ", " + std::to_string(start) + " + " + std::to_string(length) +
                " lies outside shape " + adder::to_string(shape_));
  Tensor t = view();
  t.shape_[a] = length;
  t.offset_ += start * strides_[a];
  return t;
}

Tensor Tensor::reshape(const Shape& shape) const {
  if (element_count(shape) != size())
    throw Error("[reshape] shape " + adder::to_string(shape_) + " can't become " + adder::to_string(shape));
  if (contiguous()) {
    Tensor t = view();
    t.shape_ = shape;
    t.strides_ = row_major(shape);
    return t;
  }
  if (!shape.empty() && rank() && shape.back() == shape_.back() && rows_collapse()) {  // rows regrouped
    Tensor t = view();
    t.shape_ = shape;
    t.strides_.assign(shape.size(), 1);
    int64_t step = row_stride();
    for (int i = int(shape.size()) - 2; i >= 0; --i) t.strides_[size_t(i)] = step, step *= shape[size_t(i)];
    return t;
  }
  return clone().reshape(shape);
}

Tensor Tensor::clone() const {
  Tensor t = like(*this);
  t.copy_from(*this);
  return t;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor t = empty(shape_, dtype, device_);
  t.copy_from(*this);
  return t;
}

void Tensor::copy_from(const Tensor& other) const {
  if (shape_ != other.shape_)
    throw Error("[copy] shape " + adder::to_string(other.shape_) + ", expected " + adder::to_string(shape_));
  if (imagined(dtype_)) return;
  const int64_t n = columns();
  by_any_dtype(dtype_, [&](auto to) {
    by_any_dtype(other.dtype_, [&](auto from) {
      using To = decltype(to);
      using From = decltype(from);
      for_each_row(*this, other, [&](int64_t i, int64_t j) {
        To* y = data<To>() + i;
        const From* x = other.data<From>() + j;
        if constexpr (std::is_same_v<To, From>) std::memcpy(y, x, size_t(n) * sizeof(To));
        else
          for (int64_t k = 0; k < n; ++k) y[k] = converted<To>(x[k]);
      });
    });
  });
}

void Tensor::fill(double value) const {
  if (imagined(dtype_)) return;
  const int64_t n = columns();
  by_any_dtype(dtype_, [&](auto zero) {
    using T = decltype(zero);
    for_each_row(*this, *this, [&](int64_t i, int64_t) { std::fill_n(data<T>() + i, n, converted<T>(value)); });
  });
}

void Tensor::zero() const {
  if (imagined(dtype_)) return;
  if (!rows_collapse()) return fill(0);
  const int64_t element = int64_t(bytes_of(dtype_)), step = row_stride() * element;
  char* const start = static_cast<char*>(raw());
  kernels::for_each_run(rows(), columns() * element, contiguous(),
                        [=](int64_t row, int64_t first, int64_t n) { std::memset(start + row * step + first, 0, size_t(n)); });
}

void Tensor::add(const Tensor& other) const {
  if (shape_ != other.shape_)
    throw Error("[add] shape " + adder::to_string(other.shape_) + ", expected " + adder::to_string(shape_));
  if (imagined(dtype_)) return;
  const kernels::FlushSubnormals flush;
  const int64_t n = columns();
  by_dtype(dtype_, [&](auto zero) {
    using T = decltype(zero);
    for_each_row(*this, other, [&](int64_t i, int64_t j) {
      T* y = data<T>() + i;
      const T* x = other.data<T>() + j;
      for (int64_t k = 0; k < n; ++k) y[k] += x[k];
    });
  });
}

double Tensor::item(int64_t index) const {
  int64_t at = 0;
  for (int axis = rank() - 1; axis >= 0; --axis) {
    at += index % shape_[size_t(axis)] * strides_[size_t(axis)];
    index /= shape_[size_t(axis)];
  }
  return by_any_dtype(dtype_, [&](auto zero) { return double(data<decltype(zero)>()[at]); });
}

bool Tensor::shares_storage() const { return storage_.use_count() > 1; }

}  // namespace adder
