// Asking early for the part of C that comes next.
#pragma once
#include <cstdint>

namespace kernels {

// The tile below one of `Rows` rows and `Bytes` bytes of columns, while that one is multiplied; beyond the last it is nobody's, and
// no number depends on it.
template <int Rows, int Bytes>
inline void fetch_next_tile(const void* c, int64_t row_bytes) {
  const auto* next = static_cast<const char*>(c) + Rows * row_bytes;
  for (int i = 0; i < Rows; ++i, next += row_bytes)
#pragma GCC unroll 3
    for (int line = 0; line < Bytes; line += 64) __builtin_prefetch(next + line, 1);
}

}  // namespace kernels
