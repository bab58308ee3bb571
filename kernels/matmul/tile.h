// The register tile of a matrix product, for kernels that hold their operands in the cache themselves:
//   C[i][j] = (from_c ? C[i][j] : bias[j] or 0) + sum_k A[i][k] B[k][j], each a chain of fused multiply-adds in increasing k
// A is read by broadcasts, any strides; the rows of B are contiguous. Include it where simd.h may be included.

// Toggled by foreach_target.h: this part is seen once for each target.
#if defined(KERNELS_MATMUL_TILE_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_MATMUL_TILE_H_
#undef KERNELS_MATMUL_TILE_H_
#else
#define KERNELS_MATMUL_TILE_H_
#endif

#include <hwy/cache_control.h>

#include <algorithm>

#include "kernels/matmul/next_tile.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace tile {

// 24 accumulators, 3 of B and a broadcast of AVX-512's 32 registers; 12, 3 and 1 of AVX2's 16.
constexpr int kRows = HWY_TARGET == HWY_AVX3 ? 8 : 4;
constexpr int kVectors = 3;
constexpr int64_t kPrefetchAhead = 8, kMemoryAhead = 48;  // steps of k: from the second-level cache, from memory

template <class T>
constexpr int64_t kPanel = kVectors * kNativeLanes<T>;

template <class T>
struct Tile {
  const T* a;
  int64_t a_row, a_col, depth;
  const T* b;
  int64_t b_row;
  T* c;
  int64_t c_row, width;  // columns, more than (vectors - 1) * lanes
  bool from_c;           // the chain goes on from C
  const T* bias;         // else it begins here, or at 0
  bool stream = false;   // C goes past the caches: whole vectors, aligned, not read again soon
  bool fetch = false;    // C is far away: the next tile's is asked for early
};

// The first `width` of a row's vectors; the others are 0.
template <class T, int V>
HWY_INLINE void load_row(const T* p, int64_t width, Native<T> (&x)[V]) {
  const Tag<T> d;
  constexpr int64_t n = kNativeLanes<T>;
#pragma GCC unroll 3
  for (int v = 0; v + 1 < V; ++v) x[v] = hn::LoadU(d, p + v * n);
  const int64_t left = width - (V - 1) * n;
  x[V - 1] = HWY_LIKELY(left == n) ? hn::LoadU(d, p + (V - 1) * n)
                                   : hn::MaskedLoad(hn::FirstN(d, size_t(left)), d, p + (V - 1) * n);
}

template <class T, int V>
HWY_INLINE void store_row(T* p, int64_t width, bool stream, const Native<T> (&x)[V]) {
  const Tag<T> d;
  constexpr int64_t n = kNativeLanes<T>;
  if (stream) {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) hn::Stream(x[v], d, p + v * n);
    return;
  }
#pragma GCC unroll 3
  for (int v = 0; v + 1 < V; ++v) hn::StoreU(x[v], d, p + v * n);
  const int64_t left = width - (V - 1) * n;
  if (HWY_LIKELY(left == n)) hn::StoreU(x[V - 1], d, p + (V - 1) * n);
  else hn::BlendedStore(x[V - 1], hn::FirstN(d, size_t(left)), d, p + (V - 1) * n);
}

// Where B lies: packed, in panels that the first-level cache holds, the second-level one or memory, or in its own rows, of
// whole vectors or of less.
enum class Source { near, far, memory, direct, ragged };

template <class T, int Rows, int V, Source kSource>
HWY_NOINLINE void multiply_tile(const Tile<T>& t) {
  const Tag<T> d;
  const int64_t b_row = kSource == Source::direct || kSource == Source::ragged ? t.b_row : kPanel<T>;
  constexpr int64_t n = kNativeLanes<T>;
  Native<T> sum[Rows][V];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
    if (t.from_c) load_row<T, V>(t.c + i * t.c_row, t.width, sum[i]);
    else if (t.bias) load_row<T, V>(t.bias, t.width, sum[i]);
    else
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sum[i][v] = hn::Zero(d);
  }
  if constexpr (kSource == Source::near || kSource == Source::far)
    if (t.fetch) fetch_next_tile<Rows, V * kNativeLanes<T> * int(sizeof(T))>(t.c, t.c_row * int64_t(sizeof(T)));
  const T *a = t.a, *b = t.b;
  const int64_t row = t.a_row;
#pragma GCC unroll 2
  for (int64_t k = 0; k < t.depth; ++k, a += t.a_col, b += b_row) {
    Native<T> x[V];
    if constexpr (kSource == Source::ragged) load_row<T, V>(b, t.width, x);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) {
      if constexpr (kSource != Source::ragged) x[v] = hn::LoadU(d, b + v * n);
      if constexpr (kSource == Source::far) hwy::Prefetch(b + kPrefetchAhead * kPanel<T> + v * n);
      if constexpr (kSource == Source::memory) hwy::Prefetch(b + kMemoryAhead * kPanel<T> + v * n);
    }
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const auto factor = hn::Set(d, a[i * row]);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sum[i][v] = hn::MulAdd(factor, x[v], sum[i][v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) store_row<T, V>(t.c + i * t.c_row, t.width, t.stream, sum[i]);
}

// Rows [first, last) of the block, from a tile that begins with row `first`.
template <class T, int V, Source kSource, int Rows>
void multiply_rest(Tile<T> t, int64_t rows) {
  if constexpr (Rows > 0) {
    if (rows >= Rows) {
      multiply_tile<T, Rows, V, kSource>(t);
      t.a += Rows * t.a_row, t.c += Rows * t.c_row, rows -= Rows;
    }
    multiply_rest<T, V, kSource, Rows / 2>(t, rows);
  }
}

// A block of rows times a panel.
template <class T, int V>
void multiply_panel_rows(Tile<T> t, int64_t rows, int64_t tile_step, Source source, const Tile<T>& rest) {
  for (; rows >= kRows; rows -= kRows) {
    if (source == Source::near) multiply_tile<T, kRows, V, Source::near>(t);
    else if (source == Source::far) multiply_tile<T, kRows, V, Source::far>(t);
    else if (source == Source::ragged) multiply_tile<T, kRows, V, Source::ragged>(t);
    else multiply_tile<T, kRows, V, Source::direct>(t);
    t.a += tile_step, t.c += kRows * t.c_row;
  }
  Tile<T> last = rest;
  last.c = t.c;
  if (source == Source::ragged) multiply_rest<T, V, Source::ragged, kRows / 2>(last, rows);
  else multiply_rest<T, V, Source::direct, kRows / 2>(last, rows);
}

// All of `rows` rows and `t.width` columns, B in its own rows.
template <class T>
void multiply(const Tile<T>& t, int64_t rows) {
  constexpr int64_t n = kNativeLanes<T>;
  const int64_t vectors = (t.width + n - 1) / n, panels = (vectors + kVectors - 1) / kVectors;
  for (int64_t i = 0; i < panels; ++i) {
    const int64_t column = vectors * i / panels * n, end = std::min(t.width, vectors * (i + 1) / panels * n);
    Tile<T> part = t;
    part.b += column, part.c += column, part.width = end - column;
    if (t.bias) part.bias += column;
    Tile<T> rest = part;
    rest.a += rows / kRows * kRows * t.a_row;
    const int64_t step = kRows * t.a_row;
    const Source source = part.width % n == 0 ? Source::direct : Source::ragged;
    if (part.width > 2 * n) multiply_panel_rows<T, 3>(part, rows, step, source, rest);
    else if (part.width > n) multiply_panel_rows<T, 2>(part, rows, step, source, rest);
    else multiply_panel_rows<T, 1>(part, rows, step, source, rest);
  }
}

}  // namespace tile
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
