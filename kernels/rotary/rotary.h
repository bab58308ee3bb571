// Rotary positions (Su et al., 2021): each pair of a head's elements is turned by an angle that grows with the
// position. With c = cos[position, i], s = sin[position, i], i < head_dim / 2:
//   y1 = x1 c - x2 s,  y2 = x2 c + x1 s      of the pairs (i, i + head_dim / 2), or interleaved (2i, 2i + 1)
// Backward turns back:  dx1 += dy1 c + dy2 s,  dx2 += dy2 c - dy1 s.
#pragma once
#include "kernels/sequence.h"

namespace kernels {

template <class T>
struct Rotary {
  int64_t heads = 0, head_dim = 0;
  bool interleaved = false;
  const int32_t* positions = nullptr;  // [batch, length], each a row of the tables
  const T *cos = nullptr, *sin = nullptr;  // [positions, head_dim / 2]
  Sequence<const T> x;                 // [batch, length, heads * head_dim]
  Sequence<T> y{};                     // written by forward
  Sequence<const T> dy{};
  Sequence<T> dx{};                    // backward adds into it
};

namespace cpu {
template <class T> void rotary_fwd(const Rotary<T>&);
template <class T> void rotary_bwd(const Rotary<T>&);
}  // namespace cpu
}  // namespace kernels
