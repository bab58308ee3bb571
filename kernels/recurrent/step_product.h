// The product of one recurrent step: a few batch rows times a matrix that is packed once for the whole sequence.
//   out[r][n] = start[r][n] + bias[n] + sum_k x[r][k] M[k][n]
// Each element is one chain of fused multiply-adds in increasing k that begins at start + bias, so neither the number
// of rows nor the width of a register moves its bits. M lies in panels of two registers' width, k-major: every panel
// is read in order, once a step, from the second-level cache.

// Toggled by foreach_target.h: this part is seen once for each target.
#if defined(KERNELS_STEP_PRODUCT_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_STEP_PRODUCT_H_
#undef KERNELS_STEP_PRODUCT_H_
#else
#define KERNELS_STEP_PRODUCT_H_
#endif

#include <algorithm>

#include "kernels/recurrent/rows.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace recurrent {
using namespace kernels::recurrent;

template <class T>
constexpr int64_t kPanel = 2 * kNativeLanes<T>;
constexpr int kTileRows = HWY_TARGET == HWY_AVX3 ? 8 : 6;  // twice as many accumulators; AVX2 has 16 registers

template <class T>
struct Packed {
  const T* panels;         // or null: read in place, from `rows`
  int64_t depth, width;
  Matrix<const T> rows{};  // [width, depth]
  Panels kept{};           // they once more, or nothing
};

constexpr int64_t kSerialPack = 1 << 15;  // elements; below that, threads cost more than they save

template <class T, class F>
Packed<T> pack_panels(int64_t depth, int64_t width, int slot, F pack_panel) {
  const int64_t panels = (width + kPanel<T> - 1) / kPanel<T>, size = depth * kPanel<T>;
  T* out = scratch<T>(size_t(panels * size), slot);
  const auto pack = [&](int64_t i) { pack_panel(i * kPanel<T>, std::min(kPanel<T>, width - i * kPanel<T>), out + i * size); };
  if (panels * size < kSerialPack) for (int64_t i = 0; i < panels; ++i) pack(i);
  else parallel_for(panels, pack);
  return {out, depth, width};
}

// M = w: [depth, width], for gradients that go back through w
template <class T>
Packed<T> pack(const Matrix<const T>& w, int slot) {
  return pack_panels<T>(w.rows, w.columns, slot, [&](int64_t column, int64_t n, T* out) {
    for (int64_t k = 0; k < w.rows; ++k, out += kPanel<T>) {
      std::copy_n(w.row(k) + column, n, out);
      std::fill(out + n, out + kPanel<T>, T(0));
    }
  });
}

// M = w^T: w is [width, depth]. Rows of w are taken in tiles that stay in the first-level cache.
template <class T>
Packed<T> pack_transposed(const Matrix<const T>& w, int slot) {
  constexpr int64_t kTile = 16;
  return pack_panels<T>(w.columns, w.rows, slot, [&](int64_t column, int64_t n, T* out) {
    for (int64_t k = 0; k < w.columns; k += kTile)
      for (int64_t j = 0; j < kPanel<T>; ++j)
        for (int64_t i = k; i < std::min(k + kTile, w.columns); ++i)
          out[i * kPanel<T> + j] = j < n ? w.row(column + j)[i] : T(0);
  });
}

// The same for a single step, which packing would double: w stays where it is, or is read from the panels that were `kept`.
template <class T>
Packed<T> transposed_for(int64_t steps, const Matrix<const T>& w, const Panels& kept, int slot) {
  if (steps > 1) return pack_transposed(w, slot);
  return {nullptr, w.columns, w.rows, w, kept};
}

template <class T>
HWY_INLINE Native<T> load_part(const T* p, int64_t n) {
  const Tag<T> d;
  if (HWY_LIKELY(n >= kNativeLanes<T>)) return hn::LoadU(d, p);
  return n <= 0 ? hn::Zero(d) : hn::MaskedLoad(hn::FirstN(d, size_t(n)), d, p);
}
template <class T>
HWY_INLINE void store_part(T* p, int64_t n, Native<T> x) {
  const Tag<T> d;
  if (HWY_LIKELY(n >= kNativeLanes<T>)) hn::StoreU(x, d, p);
  else if (n > 0) hn::BlendedStore(x, hn::FirstN(d, size_t(n)), d, p);
}

constexpr int64_t kDepth = 128;  // of a block: 16 KB of a panel and 8 KB of 16 rows, which the first-level cache holds

// One panel's columns, [column, column + left), of all rows.
template <class T>
struct Step {
  const T* panel;
  int64_t column, left;
  const T *const *x, *const *start;
  const T* bias;
  T* const* out;
  int64_t next;
};

// Rows [r, r + Rows), k of [begin, end): the chain goes on from `out` where begin is not 0. Else what stands `next`
// elements after a start is fetched for the next step: rows of a batch lie pages apart.
template <int Rows, class T>
HWY_NOINLINE void multiply_rows(const Step<T>& s, int r, int64_t begin, int64_t end) {
  const Tag<T> d;
  constexpr int64_t lanes = kNativeLanes<T>;
  Native<T> low[Rows], high[Rows];
  const T* row[Rows];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
    const T* from = (begin ? s.out[r + i] : s.start[r + i]) + s.column;
    row[i] = s.x[r + i];
    low[i] = load_part(from, s.left), high[i] = load_part(from + lanes, s.left - lanes);
    if (begin) continue;
    low[i] = hn::Add(low[i], load_part(s.bias + s.column, s.left));
    high[i] = hn::Add(high[i], load_part(s.bias + s.column + lanes, s.left - lanes));
    __builtin_prefetch(from + s.next, 1, 2), __builtin_prefetch(from + s.next + lanes, 1, 2);
  }
  const T* panel = s.panel + begin * kPanel<T>;
  for (int64_t k = begin; k < end; ++k, panel += kPanel<T>) {
    const auto m0 = hn::LoadU(d, panel), m1 = hn::LoadU(d, panel + lanes);
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const auto factor = hn::Set(d, row[i][k]);
      low[i] = hn::MulAdd(factor, m0, low[i]);
      high[i] = hn::MulAdd(factor, m1, high[i]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
    store_part(s.out[r + i] + s.column, s.left, low[i]);
    store_part(s.out[r + i] + s.column + lanes, s.left - lanes, high[i]);
  }
}

template <class T, int Rows = kTileRows>
void multiply_some(const Step<T>& s, int r, int rows, int64_t begin, int64_t end) {
  if constexpr (Rows > 1)
    if (rows < Rows) return multiply_some<T, Rows - 1>(s, r, rows, begin, end);
  multiply_rows<Rows>(s, r, begin, end);
}

// The rows of `out` are evenly spaced: there is one step.
template <class T>
void multiply_in_place(const Packed<T>& m, int rows, const T* const* x, const T* const* start, const T* bias, T* const* out) {
  T* in = scratch<T>(size_t(rows * m.depth), kInputs);
  for (int r = 0; r < rows; ++r) {
    std::copy_n(x[r], m.depth, in + r * m.depth);
    for (int64_t j = 0; j < m.width; ++j) out[r][j] = start[r][j] + bias[j];
  }
  cpu::matmul<T>({.m = rows, .n = m.width, .k = m.depth, .a = in, .a_row = m.depth, .a_col = 1, .b = m.rows.data, .b_row = 1,
                  .b_col = m.rows.stride, .c = out[0], .c_row = rows > 1 ? out[1] - out[0] : m.width, .accumulate = true,
                  .panels = m.kept});
}

// `start` and `bias` may not be null: give rows of zeros. `out` may be `start`, not x. `next`: where the next step's start
// lies from this one's, in elements.
template <class T>
void multiply(const Packed<T>& m, int rows, const T* const* x, const T* const* start, const T* bias, T* const* out,
              int64_t next = 0) {
  if (!m.panels) return multiply_in_place(m, rows, x, start, bias, out);
  for (int64_t column = 0; column < m.width; column += kPanel<T>) {
    const Step<T> s{m.panels + column * m.depth, column, m.width - column, x, start, bias, out, next};
    int64_t begin = 0;
    do {
      const int64_t end = std::min(m.depth, begin + kDepth);
      for (int r = 0; r < rows; r += kTileRows) multiply_some(s, r, std::min(kTileRows, rows - r), begin, end);
      begin = end;
    } while (begin < m.depth);
  }
}

// body(j, lanes) for each vector of a row of n elements
template <class T, class F>
HWY_INLINE void each_vector(int64_t n, F body) {
  int64_t j = 0;
  for (; j + kLanes<T> <= n; j += kLanes<T>) body(j, int64_t{kLanes<T>});
  if (j < n) body(j, n - j);
}

template <class T>
void add_to(T* sum, const T* x, int64_t n) {
  each_vector<T>(n, [&](int64_t j, int64_t left) HWY_ATTR {
    store(sum + j, load(sum + j, left) + load(x + j, left), left);
  });
}

}  // namespace recurrent
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
