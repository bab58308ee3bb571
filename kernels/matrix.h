// A borrowed matrix: rows of `columns` contiguous elements, `stride` elements apart.
#pragma once
#include <cstdint>

namespace kernels {

template <class T>
struct Matrix {
  T* data = nullptr;  // null: not given, or not wanted
  int64_t rows = 0, columns = 0, stride = 0;

  T* row(int64_t r) const { return data + r * stride; }
  bool dense() const { return rows <= 1 || stride == columns; }  // the rows lie end to end
  explicit operator bool() const { return data != nullptr; }
};

}  // namespace kernels
