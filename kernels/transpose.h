// The transpose of a small matrix, in registers: four columns of as many rows as a vector holds, or four by four. Include it
// where simd.h may be included.

// Toggled by foreach_target.h: this part is seen once for each target.
#if defined(KERNELS_TRANSPOSE_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_TRANSPOSE_H_
#undef KERNELS_TRANSPOSE_H_
#else
#define KERNELS_TRANSPOSE_H_
#endif

#include <algorithm>

#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {

// Transposes a 4x4 (float) or 2x2 (double) block: rows of w become columns of out.
#if HWY_TARGET == HWY_SCALAR
template <class T>
HWY_INLINE void transpose_block(const T* w, int64_t w_row, T* out, int64_t out_row) {
  constexpr int64_t n = 16 / int64_t(sizeof(T));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) out[j * out_row + i] = w[i * w_row + j];
}
#else
// Each four lanes of r0 to r3 are a 4x4 block: its columns, beside those of the other blocks.
template <class V>
struct FourColumns {
  V column[4];
  template <class D>
  FourColumns(D d, const V& r0, const V& r1, const V& r2, const V& r3) {
    const auto even_low = hn::InterleaveLower(d, r0, r2), odd_low = hn::InterleaveLower(d, r1, r3);
    const auto even_high = hn::InterleaveUpper(d, r0, r2), odd_high = hn::InterleaveUpper(d, r1, r3);
    column[0] = hn::InterleaveLower(d, even_low, odd_low), column[1] = hn::InterleaveUpper(d, even_low, odd_low);
    column[2] = hn::InterleaveLower(d, even_high, odd_high), column[3] = hn::InterleaveUpper(d, even_high, odd_high);
  }
  template <class D>
  void store(D d, float* out, int64_t out_row) const {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) hn::StoreU(column[i], d, out + i * out_row);
  }
};
HWY_INLINE void transpose_block(const float* w, int64_t w_row, float* out, int64_t out_row) {
  const hn::CappedTag<float, 4> d;
  const auto r0 = hn::LoadU(d, w), r1 = hn::LoadU(d, w + w_row);
  const auto r2 = hn::LoadU(d, w + 2 * w_row), r3 = hn::LoadU(d, w + 3 * w_row);
  FourColumns(d, r0, r1, r2, r3).store(d, out, out_row);
}
HWY_INLINE void transpose_block(const double* w, int64_t w_row, double* out, int64_t out_row) {
  const hn::CappedTag<double, 2> d;
  const auto r0 = hn::LoadU(d, w), r1 = hn::LoadU(d, w + w_row);
  hn::StoreU(hn::InterleaveLower(d, r0, r1), d, out);
  hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, out + out_row);
}
#endif

// As many rows of w as a vector has lanes, four columns: out[j][i] = w[i][j]. Each quarter (half) of a vector takes four rows, so
// that the shuffles stay within it.
#if HWY_TARGET == HWY_AVX3
HWY_INLINE Native<float> every_fourth_row(const float* w, int64_t w_row) {
  auto r = _mm512_castps128_ps512(_mm_loadu_ps(w));
  r = _mm512_mask_broadcast_f32x4(r, 0x00f0, _mm_loadu_ps(w + 4 * w_row));
  r = _mm512_mask_broadcast_f32x4(r, 0x0f00, _mm_loadu_ps(w + 8 * w_row));
  r = _mm512_mask_broadcast_f32x4(r, 0xf000, _mm_loadu_ps(w + 12 * w_row));
  return Native<float>{r};
}
#elif HWY_TARGET == HWY_AVX2
HWY_INLINE Native<float> every_fourth_row(const float* w, int64_t w_row) {
  const hn::Full128<float> half;
  return hn::Combine(Tag<float>(), hn::LoadU(half, w + 4 * w_row), hn::LoadU(half, w));
}
#endif
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
HWY_INLINE FourColumns<Native<float>> strip_columns(const float* w, int64_t w_row) {
  const auto r0 = every_fourth_row(w, w_row), r1 = every_fourth_row(w + w_row, w_row);
  const auto r2 = every_fourth_row(w + 2 * w_row, w_row), r3 = every_fourth_row(w + 3 * w_row, w_row);
  return {Tag<float>(), r0, r1, r2, r3};
}
HWY_INLINE void transpose_strip(const float* w, int64_t w_row, float* out, int64_t out_row) {
  strip_columns(w, w_row).store(Tag<float>(), out, out_row);
}
template <class T>
constexpr int64_t kStripRows = sizeof(T) == sizeof(float) ? kNativeLanes<T> : 0;
#else
template <class T>
constexpr int64_t kStripRows = 0;
#endif

// out[j][i] = x[i][j] for i < rows, j < columns; x's rows are x_row apart, out's out_row.
template <class T>
void transpose(const T* x, int64_t x_row, int64_t rows, int64_t columns, T* out, int64_t out_row) {
  constexpr int64_t step = 16 / int64_t(sizeof(T));
  const int64_t whole_i = rows / step * step, whole_j = columns / step * step;
  constexpr int64_t line = 64 / int64_t(sizeof(T));  // what a cache line holds is read together: rows may share a set of the cache
  for (int64_t begin = 0; begin < whole_j; begin += line) {
    const int64_t end = std::min(whole_j, begin + line);
    int64_t i = 0;
    if constexpr (kStripRows<T> > 0)
      for (; i + kStripRows<T> <= rows; i += kStripRows<T>)
        for (int64_t j = begin; j < end; j += step) transpose_strip(x + i * x_row + j, x_row, out + j * out_row + i, out_row);
    for (; i < whole_i; i += step)
      for (int64_t j = begin; j < end; j += step)
        transpose_block(x + i * x_row + j, x_row, out + j * out_row + i, out_row);
  }
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = i < whole_i ? whole_j : 0; j < columns; ++j) out[j * out_row + i] = x[i * x_row + j];
}

}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
