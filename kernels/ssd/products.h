// Small matrix products on memory that is padded to whole vectors, for the chunks of ssd: register tiles of a few
// rows by two native vectors. An element is one chain of fused multiply-adds in increasing k, whatever the tile.
// A triangular factor is never read beyond its triangle, so nothing flows through 0 times infinity.
// Include it where simd.h may be included.

// Toggled by foreach_target.h: this part is seen once for each target.
#if defined(KERNELS_SSD_PRODUCTS_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_SSD_PRODUCTS_H_
#undef KERNELS_SSD_PRODUCTS_H_
#else
#define KERNELS_SSD_PRODUCTS_H_
#endif

#include <algorithm>

#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {

// Which k meet row i: all; k <= i; k >= i.
enum class Reach { all, lower, upper };

// out[i][j] = (out[i][j] or 0 + sum_k a[i][k] b[k][j]) * scale[i]
template <class T>
struct Product {
  int64_t rows, columns, depth;
  const T* a;
  int64_t a_row, a_column;
  const T* b;                     // rows of whole vectors
  int64_t b_row;
  T* out;                         // rows of whole vectors
  int64_t out_row;
  bool accumulate = false;        // the chain goes on from `out`
  const T* scale = nullptr;
  bool lower_result = false;      // only columns j <= i are wanted: others may be left unwritten
};

template <class T, int R, int V>
HWY_INLINE void multiply_range(const T* a, int64_t a_row, int64_t a_column, const T* b, int64_t b_row, int64_t depth,
                               Native<T> (&sum)[R][V]) {
  const Tag<T> d;
  for (int64_t k = 0; k < depth; ++k, a += a_column, b += b_row) {
    Native<T> row[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) row[v] = hn::LoadU(d, b + v * kNativeLanes<T>);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const auto x = hn::Set(d, a[i * a_row]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[i][v] = hn::MulAdd(x, row[v], sum[i][v]);
    }
  }
}

// The R steps of k across the diagonal: rows i >= k (lower) or i <= k (upper).
template <Reach reach, class T, int R, int V>
HWY_INLINE void multiply_triangle(const T* a, int64_t a_row, int64_t a_column, const T* b, int64_t b_row,
                                  Native<T> (&sum)[R][V]) {
  const Tag<T> d;
#pragma GCC unroll 16
  for (int k = 0; k < R; ++k, a += a_column, b += b_row) {
    Native<T> row[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) row[v] = hn::LoadU(d, b + v * kNativeLanes<T>);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      if (reach == Reach::lower ? i < k : i > k) continue;
      const auto x = hn::Set(d, a[i * a_row]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[i][v] = hn::MulAdd(x, row[v], sum[i][v]);
    }
  }
}

template <Reach reach, int R, int V, class T>
void multiply_tile(const Product<T>& p, int64_t i0, int64_t j0) {
  const Tag<T> d;
  constexpr int64_t lanes = kNativeLanes<T>;
  Native<T> sum[R][V];
  T* out = p.out + i0 * p.out_row + j0;
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v)
      sum[i][v] = p.accumulate ? hn::LoadU(d, out + i * p.out_row + v * lanes) : hn::Zero(d);
  const T *a = p.a + i0 * p.a_row, *b = p.b + j0;
  if constexpr (reach == Reach::all) multiply_range<T, R, V>(a, p.a_row, p.a_column, b, p.b_row, p.depth, sum);
  if constexpr (reach == Reach::lower)
    multiply_range<T, R, V>(a, p.a_row, p.a_column, b, p.b_row, i0, sum);
  if constexpr (reach != Reach::all)
    multiply_triangle<reach, T, R, V>(a + i0 * p.a_column, p.a_row, p.a_column, b + i0 * p.b_row, p.b_row, sum);
  if constexpr (reach == Reach::upper)
    multiply_range<T, R, V>(a + (i0 + R) * p.a_column, p.a_row, p.a_column, b + (i0 + R) * p.b_row, p.b_row,
                            p.depth - i0 - R, sum);
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      const auto x = p.scale ? hn::Mul(hn::Set(d, p.scale[i0 + i]), sum[i][v]) : sum[i][v];
      hn::StoreU(x, d, out + i * p.out_row + v * lanes);
    }
}

template <Reach reach, int R, class T>
void multiply_rows(const Product<T>& p, int64_t i0) {
  constexpr int64_t lanes = kNativeLanes<T>;
  const int64_t columns = p.lower_result ? std::min(p.columns, i0 + R) : p.columns;
  for (int64_t j = 0; j < columns; j += 2 * lanes)
    columns - j > lanes ? multiply_tile<reach, R, 2>(p, i0, j) : multiply_tile<reach, R, 1>(p, i0, j);
}

// 28 sums, 2 rows of b and a broadcast of AVX-512's 32 registers; 12 + 2 + 1 of AVX2's 16.
template <Reach reach, class T>
void multiply(const Product<T>& p) {
  constexpr int tile = HWY_TARGET == HWY_AVX3 ? 14 : 6;
  int64_t i = 0;
  for (; i + tile <= p.rows; i += tile) multiply_rows<reach, tile>(p, i);
  if (tile > 8 && i + 8 <= p.rows) multiply_rows<reach, 8>(p, i), i += 8;
  if (i + 4 <= p.rows) multiply_rows<reach, 4>(p, i), i += 4;
  if (i + 2 <= p.rows) multiply_rows<reach, 2>(p, i), i += 2;
  if (i < p.rows) multiply_rows<reach, 1>(p, i);
}

}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
