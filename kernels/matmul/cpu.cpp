// A register tile of kRows rows by two vectors of columns; B packed into panels of two vectors' width, k-major, so that
// the inner loop reads it in order. A is read in place by broadcasts. K is cut into blocks (the chain goes on through C),
// so that a panel stays in L1/L2. Tasks are (row block, panel group), cut by shape alone.
#include "kernels/matmul/matmul.h"

#include <algorithm>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

// 28 accumulators + 2 of B + 1 broadcast of the 32 AVX-512 registers; 12 + 2 + 1 of AVX2's 16.
constexpr int kTileRows = HWY_TARGET == HWY_AVX3 ? 14 : 6;
constexpr int64_t kDepth = 384;                 // k block: a float panel of 384 x 32 is 48 KB
constexpr int64_t kSharedElements = 1 << 20;    // B up to this size is packed once, for all tasks
constexpr double kTaskFlops = 6e6;              // about 25 us of one core

template <class T>
constexpr int64_t kPanel = 2 * kNativeLanes<T>;

// out[k][j] = B[k][j] for j < width; the panel's other columns are 0
template <class T>
void pack_rows(const T* b, int64_t b_row, int64_t depth, int64_t width, T* out) {
  const Tag<T> d;
  if (width == kPanel<T>) {
    for (int64_t k = 0; k < depth; ++k, b += b_row, out += kPanel<T>) {
      hn::StoreU(hn::LoadU(d, b), d, out);
      hn::StoreU(hn::LoadU(d, b + kNativeLanes<T>), d, out + kNativeLanes<T>);
    }
    return;
  }
  for (int64_t k = 0; k < depth; ++k, b += b_row, out += kPanel<T>)
    for (int64_t j = 0; j < kPanel<T>; ++j) out[j] = j < width ? b[j] : T(0);
}

// Transposes a 4x4 (float) or 2x2 (double) block: rows of w become columns of out.
#if HWY_TARGET == HWY_SCALAR
template <class T>
void transpose_block(const T* w, int64_t w_row, T* out, int64_t out_row) {
  constexpr int64_t n = 16 / int64_t(sizeof(T));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) out[j * out_row + i] = w[i * w_row + j];
}
#else
HWY_INLINE void transpose_block(const float* w, int64_t w_row, float* out, int64_t out_row) {
  const hn::CappedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> dd;
  const auto r0 = hn::LoadU(d, w), r1 = hn::LoadU(d, w + w_row);
  const auto r2 = hn::LoadU(d, w + 2 * w_row), r3 = hn::LoadU(d, w + 3 * w_row);
  const auto a = hn::BitCast(dd, hn::InterleaveLower(d, r0, r1)), b = hn::BitCast(dd, hn::InterleaveLower(d, r2, r3));
  const auto c = hn::BitCast(dd, hn::InterleaveUpper(d, r0, r1)), e = hn::BitCast(dd, hn::InterleaveUpper(d, r2, r3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, a, b)), d, out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, a, b)), d, out + out_row);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, c, e)), d, out + 2 * out_row);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, c, e)), d, out + 3 * out_row);
}
HWY_INLINE void transpose_block(const double* w, int64_t w_row, double* out, int64_t out_row) {
  const hn::CappedTag<double, 2> d;
  const auto r0 = hn::LoadU(d, w), r1 = hn::LoadU(d, w + w_row);
  hn::StoreU(hn::InterleaveLower(d, r0, r1), d, out);
  hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, out + out_row);
}
#endif

// out[k][j] = B[k][j] where column j of B is a contiguous row of memory, b_col apart
template <class T>
void pack_columns(const T* b, int64_t b_col, int64_t depth, int64_t width, T* out) {
  constexpr int64_t step = 16 / int64_t(sizeof(T));
  const int64_t whole_k = depth / step * step, whole_j = width / step * step;
  for (int64_t k = 0; k < whole_k; k += step)
    for (int64_t j = 0; j < whole_j; j += step)
      transpose_block(b + j * b_col + k, b_col, out + k * kPanel<T> + j, kPanel<T>);
  for (int64_t j = 0; j < kPanel<T>; ++j)
    for (int64_t k = j < whole_j ? whole_k : 0; k < depth; ++k)
      out[k * kPanel<T> + j] = j < width ? b[j * b_col + k] : T(0);
}

template <class T>
void pack(const MatMul<T>& p, int64_t k, int64_t depth, int64_t panel, T* out) {
  const int64_t first = panel * kPanel<T>, width = std::min(kPanel<T>, p.n - first);
  const T* b = p.b + k * p.b_row + first * p.b_col;
  if (p.b_col == 1) pack_rows(b, p.b_row, depth, width, out);
  else pack_columns(b, p.b_col, depth, width, out);
}

template <class T>
struct Tile {
  const T* a;
  int64_t a_row, a_col, depth;
  const T* panel;
  T* c;
  int64_t c_row, width;
  bool from_c;          // the chain goes on from C
  const T* bias;        // else it begins here, or at 0
};

template <class T>
HWY_INLINE void store_row(T* c, int64_t width, Native<T> low, Native<T> high) {
  const Tag<T> d;
  constexpr int64_t n = kNativeLanes<T>;
  if (HWY_LIKELY(width == 2 * n)) {
    hn::StoreU(low, d, c);
    hn::StoreU(high, d, c + n);
    return;
  }
  hn::BlendedStore(low, hn::FirstN(d, size_t(std::min(width, n))), d, c);
  if (width > n) hn::BlendedStore(high, hn::FirstN(d, size_t(width - n)), d, c + n);
}

template <class T>
HWY_INLINE void load_row(const T* c, int64_t width, Native<T>& low, Native<T>& high) {
  const Tag<T> d;
  constexpr int64_t n = kNativeLanes<T>;
  if (HWY_LIKELY(width == 2 * n)) {
    low = hn::LoadU(d, c);
    high = hn::LoadU(d, c + n);
    return;
  }
  low = hn::MaskedLoad(hn::FirstN(d, size_t(std::min(width, n))), d, c);
  high = width > n ? hn::MaskedLoad(hn::FirstN(d, size_t(width - n)), d, c + n) : hn::Zero(d);
}

template <class T, int Rows>
void multiply_tile(const Tile<T>& t) {
  const Tag<T> d;
  constexpr int64_t n = kNativeLanes<T>;
  Native<T> low[Rows], high[Rows];
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    if (t.from_c) load_row<T>(t.c + i * t.c_row, t.width, low[i], high[i]);
    else if (t.bias) load_row<T>(t.bias, t.width, low[i], high[i]);
    else low[i] = high[i] = hn::Zero(d);
  }
  const T *a = t.a, *b = t.panel;
  const int64_t row = t.a_row;
  for (int64_t k = 0; k < t.depth; ++k, a += t.a_col, b += 2 * n) {
    const auto b0 = hn::LoadU(d, b), b1 = hn::LoadU(d, b + n);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const auto x = hn::Set(d, a[i * row]);
      low[i] = hn::MulAdd(x, b0, low[i]);
      high[i] = hn::MulAdd(x, b1, high[i]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) store_row<T>(t.c + i * t.c_row, t.width, low[i], high[i]);
}

template <class T, int Rows = kTileRows>
void multiply_rows(const Tile<T>& t, int64_t rows) {
  if constexpr (Rows > 1)
    if (rows < Rows) return multiply_rows<T, Rows - 1>(t, rows);
  multiply_tile<T, Rows>(t);
}

// Rows [first, last) times one packed panel of one k block.
template <class T>
void multiply_panel(const MatMul<T>& p, int64_t first, int64_t last, int64_t k, int64_t depth, int64_t panel,
                    const T* packed) {
  const int64_t column = panel * kPanel<T>;
  Tile<T> t{.a = nullptr, .a_row = p.a_row, .a_col = p.a_col, .depth = depth, .panel = packed, .c = nullptr,
            .c_row = p.c_row, .width = std::min(kPanel<T>, p.n - column), .from_c = p.accumulate || k > 0,
            .bias = p.bias ? p.bias + column : nullptr};
  for (int64_t i = first; i < last; i += kTileRows) {
    t.a = p.a + i * p.a_row + k * p.a_col;
    t.c = p.c + i * p.c_row + column;
    multiply_rows<T>(t, std::min<int64_t>(kTileRows, last - i));
  }
}

struct Split {
  int64_t row_blocks, rows, groups, panels;  // rows a block, panels a group
};

template <class T>
Split split(const MatMul<T>& p, bool shared) {
  const int64_t panels = (p.n + kPanel<T> - 1) / kPanel<T>;
  const double work = 2.0 * double(p.m) * double(p.n) * double(p.k) / (sizeof(T) == 4 ? 1 : 0.5);
  const int64_t tasks = std::clamp<int64_t>(int64_t(work / kTaskFlops), 1, 64);
  // Packing its own panels, a task wants many rows for them; with shared panels rows are cut first.
  const int64_t max_blocks = std::max<int64_t>(1, p.m / (shared ? 2 * 14 : 512));
  const int64_t blocks = std::min(tasks, max_blocks);
  const int64_t groups = std::min(panels, (tasks + blocks - 1) / blocks);
  const auto up = [](int64_t x, int64_t by) { return (x + by - 1) / by; };
  const int64_t rows = up(up(p.m, blocks), kTileRows) * kTileRows, width = up(panels, groups);
  return {up(p.m, rows), rows, up(panels, width), width};
}

template <class T>
void multiply_shared(const MatMul<T>& p) {
  const int64_t panels = (p.n + kPanel<T> - 1) / kPanel<T>;
  T* packed = scratch<T>(size_t(panels * kPanel<T> * p.k), 0);  // panel after panel, each [k][kPanel]
  const auto pack_panel = [&](int64_t i) { pack(p, 0, p.k, i, packed + i * p.k * kPanel<T>); };
  const Split s = split(p, true);
  if (s.row_blocks * s.groups == 1 || panels * kPanel<T> * p.k < (1 << 15))
    for (int64_t i = 0; i < panels; ++i) pack_panel(i);
  else
    parallel_for(panels, pack_panel);
  parallel_for(s.row_blocks * s.groups, [&](int64_t task) {
    const int64_t first = task % s.row_blocks * s.rows, last = std::min(p.m, first + s.rows);
    const int64_t begin = task / s.row_blocks * s.panels, end = std::min(panels, begin + s.panels);
    for (int64_t k = 0; k < p.k; k += kDepth)
      for (int64_t i = begin; i < end; ++i)
        multiply_panel(p, first, last, k, std::min(kDepth, p.k - k), i, packed + (i * p.k + k) * kPanel<T>);
  });
}

template <class T>
void multiply_large(const MatMul<T>& p) {
  const int64_t panels = (p.n + kPanel<T> - 1) / kPanel<T>;
  const Split s = split(p, false);
  parallel_for(s.row_blocks * s.groups, [&](int64_t task) {
    const int64_t first = task % s.row_blocks * s.rows, last = std::min(p.m, first + s.rows);
    const int64_t begin = task / s.row_blocks * s.panels, end = std::min(panels, begin + s.panels);
    T* packed = scratch<T>(size_t(kDepth * kPanel<T>), 1);
    for (int64_t i = begin; i < end; ++i)
      for (int64_t k = 0; k < p.k; k += kDepth) {
        const int64_t depth = std::min(kDepth, p.k - k);
        pack(p, k, depth, i, packed);
        multiply_panel(p, first, last, k, depth, i, packed);
      }
  });
}

template <class T>
void multiply(const MatMul<T>& p) {
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0) {  // an empty chain
    for (int64_t i = 0; i < p.m && !p.accumulate; ++i)
      for (int64_t j = 0; j < p.n; ++j) p.c[i * p.c_row + j] = p.bias ? p.bias[j] : T(0);
    return;
  }
  const int64_t packed = (p.n + kPanel<T> - 1) / kPanel<T> * kPanel<T> * p.k;
  if (packed <= kSharedElements && p.m > 4) multiply_shared(p);
  else multiply_large(p);
}

}  // namespace
SIMD_KERNEL(matmul, MatMul, multiply)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(matmul, MatMul)
}  // namespace kernels
#endif
