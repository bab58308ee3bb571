// Borrowed sequences: batch x length rows of `channels` contiguous elements. Both strides are free, so a part
// of a longer sequence or of wider rows is one too, and a negative stride runs through time backwards.
#pragma once
#include <cstdint>

namespace kernels {

template <class T>
struct Sequence {
  T* data = nullptr;  // null: not given, or not wanted
  int64_t batch = 0, length = 0, channels = 0;
  int64_t batch_stride = 0, stride = 0;  // elements from sequence to sequence and from row to row

  T* row(int64_t b, int64_t t) const { return data + b * batch_stride + t * stride; }
  explicit operator bool() const { return data != nullptr; }

  Sequence backwards() const {
    Sequence s = *this;
    if (data) s.data += (length - 1) * stride, s.stride = -stride;
    return s;
  }
};

}  // namespace kernels
