// A register tile of a few rows by three vectors of columns. B is packed into panels of three vectors' width, k-major, so
// that the inner loop reads it in order; where few rows use it, it is read where it lies. A is read in place by broadcasts,
// unless its rows run down memory (a weight's gradient): then tiles of it are packed. K is cut into blocks (the chain goes
// on through C), so that a block of A and a panel stay in the second-level cache.
#include "kernels/matmul/matmul.h"

#include <algorithm>

#include "kernels/matmul/bf16.h"
#include "kernels/matmul/next_panel.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/matmul/tile.h"
#include "kernels/simd.h"
#include "kernels/transpose.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {
using namespace tile;

constexpr int64_t kBlockRows = 224;                     // rows of A that a panel meets in turn
constexpr int64_t kMostDepth = 512;                     // of a k block
constexpr int64_t kTogether = 12 * kVectors;            // vectors of columns that a task packs at a time
constexpr int64_t kDirectRows = 32, kDirectDepth = 4096;  // up to these B is read where it lies, if it can be; its rows lie on many pages
constexpr int64_t kPanelsPerTile = 2;                   // from these many panels on packing A's tiles pays
constexpr int64_t kFewRows = 4, kFewDepth = 128;        // up to these B is read once, from memory: panels pass through L1
constexpr double kTaskBytes = 32 << 10;                 // of such a B, the least that is worth a task of its own
constexpr double kTaskFlops = 1e6;                      // the least that is worth a task of its own, 5 us
constexpr double kLongTask = 100e6;                     // from here on two tasks a thread, lest one wait for the other
constexpr int64_t kStreamFrom = 8 << 20;                // bytes of a C that no cache keeps until it is read
constexpr int64_t kFarFrom = 2 << 20;                   // bytes of a C that the second-level cache does not keep beside A and B
constexpr int64_t kPrefetchFrom = 32 << 10;             // bytes of a panel that outgrows the first-level cache

// out[k][j] = B[k][j] for j < width, filled with zeros to whole vectors
template <class T>
void pack_rows(const T* b, int64_t b_row, int64_t depth, int64_t width, T* out) {
  const Tag<T> d;
  constexpr int64_t n = kNativeLanes<T>;
  const int64_t whole = width / n * n;
  const auto last = hn::FirstN(d, size_t(width - whole));
  for (int64_t k = 0; k < depth; ++k, b += b_row, out += kPanel<T>) {
    for (int64_t j = 0; j < whole; j += n) hn::StoreU(hn::LoadU(d, b + j), d, out + j);
    if (whole < width) hn::StoreU(hn::MaskedLoad(last, d, b + whole), d, out + whole);
  }
}

// The same where column j of B is a contiguous row of memory, b_col apart
template <class T>
void pack_columns(const T* b, int64_t b_col, int64_t depth, int64_t width, T* out) {
  constexpr int64_t n = kNativeLanes<T>;
  transpose(b, b_col, width, depth, out, kPanel<T>);
  for (int64_t j = width; j < (width + n - 1) / n * n; ++j)
    for (int64_t k = 0; k < depth; ++k) out[k * kPanel<T> + j] = T(0);
}

// Tiles of kRows rows of A, k-major: out[tile][k][row]; two tiles at a time share a cache line. For an A whose columns
// are contiguous; a few of them at a time, so that their pages stay known.
template <class T>
void pack_tiles(const MatMul<T>& p, int64_t first, int64_t last, int64_t k, int64_t depth, T* out) {
  constexpr int64_t kTogetherColumns = 16;
  const int64_t size = kRows * depth, tiles = (last - first) / kRows;
  for (int64_t begin = 0; begin < depth; begin += kTogetherColumns)
    for (int64_t tile = 0; tile < tiles; tile += 2) {
      const T* a = p.a + (first + tile * kRows) * p.a_row + (k + begin) * p.a_col;
      T* to = out + tile * size;
      const bool both = tile + 1 < tiles;
      for (int64_t i = begin; i < std::min(depth, begin + kTogetherColumns); ++i, a += p.a_col) {
        std::copy_n(a, kRows, to + i * kRows);
        if (both) std::copy_n(a + kRows, kRows, to + size + i * kRows);
      }
    }
}

// Columns of C that a task packs and multiplies together, in panels of up to three vectors, as even as can be.
template <class T>
struct Columns {
  int64_t begin, end;
  int64_t panels() const { return (end - begin + kPanel<T> - 1) / kPanel<T>; }
  int64_t start(int64_t panel) const {  // of panel i; of panel panels() the end
    constexpr int64_t n = kNativeLanes<T>;
    const int64_t vectors = (end - begin + n - 1) / n;
    return std::min(end, begin + vectors * panel / panels() * n);
  }
};

template <class T>
void pack(const MatMul<T>& p, int64_t k, int64_t depth, int64_t first, int64_t width, T* out) {
  const T* b = p.b + k * p.b_row + first * p.b_col;
  if (p.b_col == 1) pack_rows(b, p.b_row, depth, width, out);
  else pack_columns(b, p.b_col, depth, width, out);
}

// Whether C is written past the caches, which spares reading it first: large, written once, in whole vectors.
template <class T>
bool streams(const MatMul<T>& p, int64_t depth) {
  constexpr int64_t n = kNativeLanes<T>;
  return !p.accumulate && depth >= p.k && p.m * p.n * int64_t(sizeof(T)) >= kStreamFrom && p.n % n == 0 && p.c_row % n == 0 &&
         reinterpret_cast<uintptr_t>(p.c) % (n * sizeof(T)) == 0;
}

// Rows [first, last) times one panel over one k block. `tiles`: A's, packed, or null.
template <class T>
void multiply_panel(const MatMul<T>& p, int64_t first, int64_t last, int64_t k, int64_t depth, int64_t column,
                    int64_t width, const T* packed, const T* tiles) {
  const T* a = p.a + first * p.a_row + k * p.a_col;
  Tile<T> t{.a = tiles ? tiles : a, .a_row = tiles ? 1 : p.a_row, .a_col = tiles ? kRows : p.a_col, .depth = depth,
            .b = packed ? packed : p.b + k * p.b_row + column, .b_row = packed ? kPanel<T> : p.b_row,
            .c = p.c + first * p.c_row + column, .c_row = p.c_row, .width = width, .from_c = p.accumulate || k > 0,
            .bias = p.bias ? p.bias + column : nullptr, .stream = streams(p, depth),
            .fetch = !streams(p, depth) && p.m * p.n * int64_t(sizeof(T)) >= kFarFrom};
  Tile<T> rest = t;
  rest.a = a + (last - first) / kRows * kRows * p.a_row, rest.a_row = p.a_row, rest.a_col = p.a_col;
  const int64_t step = tiles ? kRows * depth : kRows * p.a_row;
  const bool near = depth * kPanel<T> * int64_t(sizeof(T)) <= kPrefetchFrom;
  const Source source = !packed ? Source::direct : near ? Source::near : Source::far;
  if (width > 2 * kNativeLanes<T>) multiply_panel_rows<T, 3>(t, last - first, step, source, rest);
  else if (width > kNativeLanes<T>) multiply_panel_rows<T, 2>(t, last - first, step, source, rest);
  else multiply_panel_rows<T, 1>(t, last - first, step, source, rest);
}

// Whether A's tiles are packed: its columns are contiguous, and enough panels meet them.
template <class T>
bool packs_tiles(const MatMul<T>& p, const Columns<T>& columns) { return p.a_col != 1 && columns.panels() >= kPanelsPerTile; }

// Whether B is read where it lies: few rows meet it, and whole vectors of it lie side by side.
template <class T>
bool reads_directly(const MatMul<T>& p, int64_t rows) {
  return rows <= kDirectRows && p.b_col == 1 && p.n % kNativeLanes<T> == 0 && p.k <= kDirectDepth;
}

// Whether a panel is multiplied as soon as it is packed: one block of rows meets it, and packing it alone does not touch many
// pages for a few numbers each.
template <class T>
bool reads_warm(const MatMul<T>& p, int64_t rows) {
  return rows <= kBlockRows && packs_alone(p);
}

// Whether the product is bound by reading B, as when one token is decoded.
template <class T>
bool reads_once(const MatMul<T>& p) { return p.m <= kFewRows && !reads_directly(p, p.m); }

// Equal k blocks of at most kMostDepth.
template <class T>
int64_t depth_of(const MatMul<T>& p) {
  const int64_t most = reads_once(p) ? kFewDepth : kMostDepth, blocks = (p.k + most - 1) / most;
  return ((p.k + blocks - 1) / blocks + 7) / 8 * 8;
}

// The block of rows times a panel that has just been packed, the next one being asked for.
template <class T>
void multiply_warm(const MatMul<T>& p, int64_t first, int64_t last, int64_t k, int64_t depth, int64_t column, int64_t width,
                   const T* packed, const T* tiles) {
  NextPanel<T> next(p, k, depth, column + width, kPanel<T>);
  if (next.lines() == 0) return multiply_panel(p, first, last, k, depth, column, width, packed, tiles);
  const int64_t each = next.share((last - first + kRows - 1) / kRows);
  for (int64_t row = first; row < last; row += kRows) {
    next.fetch(each);
    multiply_panel(p, row, std::min(last, row + kRows), k, depth, column, width, packed,
                   tiles ? tiles + (row - first) * depth : nullptr);
  }
}

template <class T>
void multiply_columns(const MatMul<T>& p, int64_t row, int64_t end, const Columns<T>& columns) {
  const int64_t most = depth_of(p), panels = columns.panels();
  const bool direct = reads_directly(p, end - row), warm = !direct && reads_warm(p, end - row);
  T* packed = direct ? nullptr : scratch<T>(size_t((warm ? 1 : panels) * kPanel<T> * most), 0);
  T* tiles = packs_tiles(p, columns) ? scratch<T>(size_t(kBlockRows * most), 1) : nullptr;
  for (int64_t k = 0; k < p.k; k += most) {
    const int64_t depth = std::min(most, p.k - k);
    const auto panel = [&](int64_t i) { return packed ? packed + (warm ? 0 : i) * depth * kPanel<T> : nullptr; };
    const auto pack_panel = [&](int64_t i) { pack(p, k, depth, columns.start(i), columns.start(i + 1) - columns.start(i), panel(i)); };
    for (int64_t i = 0; packed && !warm && i < panels; ++i) pack_panel(i);
    for (int64_t first = row; first < end; first += kBlockRows) {
      const int64_t last = std::min(end, first + kBlockRows);
      if (tiles) pack_tiles(p, first, last, k, depth, tiles);
      for (int64_t i = 0; i < panels; ++i) {
        const int64_t start = columns.start(i), width = columns.start(i + 1) - start;
        if (warm) {
          pack_panel(i);
          multiply_warm<T>(p, first, last, k, depth, start, width, panel(i), tiles);
        } else {
          multiply_panel<T>(p, first, last, k, depth, start, width, panel(i), tiles);
        }
      }
    }
  }
}

// Tasks are blocks of rows by groups of columns. No element depends on the cut, so it may heed the number of threads.
struct Split {
  int64_t blocks, groups;
};

// Of the grids with enough tasks the one that moves least: A is read once a group, B packed once a block.
template <class T>
Split split(const MatMul<T>& p) {
  const double work = 2.0 * double(p.m) * double(p.n) * double(p.k) * (sizeof(T) / 4);
  const double worth = reads_once(p) ? double(p.n) * double(p.k) * sizeof(T) / kTaskBytes : work / kTaskFlops;
  const int64_t tasks = std::clamp<int64_t>(int64_t(worth), 1, (work > kLongTask * threads() ? 2 : 1) * threads());
  const int64_t most_blocks = (p.m + kRows - 1) / kRows, most_groups = (p.n + kNativeLanes<T> - 1) / kNativeLanes<T>;
  const double read = p.a_col == 1 ? 1 : 3, packing = reads_directly(p, p.m) ? 1 : p.b_col == 1 ? 2 : 3;
  Split best{1, 1};
  double least = -1;
  for (int64_t groups = 1; groups <= std::min(tasks, most_groups); ++groups) {
    const int64_t blocks = (tasks + groups - 1) / groups;
    if (blocks > most_blocks) continue;
    const double moved = read * double(p.m) * double(groups) + packing * double(p.n) * double(blocks);
    if (least < 0 || moved < least) least = moved, best = {blocks, groups};
  }
  return best;
}

// ---- B in panels of kPanel columns, each over all of k, packed for good ------------------------------------------

int64_t panel_count(int64_t n) { return (n + kPanel<float> - 1) / kPanel<float>; }
int panels_form_of() { return kFloatPanels + int(kPanel<float>); }
int64_t panels_size_of(int64_t n, int64_t k) { return panel_count(n) * kPanel<float> * k; }

void pack_panels_of(const MatMul<float>& p, float* out) {
  parallel_for(panel_count(p.n), [&](int64_t i) {
    const int64_t column = i * kPanel<float>;
    pack(p, 0, p.k, column, std::min(kPanel<float>, p.n - column), out + column * p.k);
  });
}

// All rows times the columns [first, last) of one panel.
void multiply_by_panel(const MatMul<float>& p, int64_t first, int64_t last) {
  const int64_t column = first / kPanel<float> * kPanel<float>, width = last - first;
  const float* panel = p.panels.data + column * p.k + (first - column);
  if (p.m > kFewRows) {
    const int64_t most = depth_of(p);
    for (int64_t k = 0; k < p.k; k += most)
      multiply_panel(p, 0, p.m, k, std::min(most, p.k - k), first, width, panel + k * kPanel<float>, static_cast<const float*>(nullptr));
    return;
  }
  const Tile<float> t{.a = p.a, .a_row = p.a_row, .a_col = p.a_col, .depth = p.k, .b = panel, .b_row = kPanel<float>,
                      .c = p.c + first, .c_row = p.c_row, .width = width,
                      .from_c = p.accumulate, .bias = p.bias ? p.bias + first : nullptr};
  if (width > 2 * kNativeLanes<float>) multiply_rest<float, 3, Source::memory, kFewRows>(t, p.m);
  else if (width > kNativeLanes<float>) multiply_rest<float, 2, Source::memory, kFewRows>(t, p.m);
  else multiply_rest<float, 1, Source::memory, kFewRows>(t, p.m);
}

// A task is a stretch of vectors, not of panels: a narrow product has few.
void multiply_by_panels(const MatMul<float>& p) {
  constexpr int64_t n = kNativeLanes<float>;
  const int64_t vectors = (p.n + n - 1) / n;
  const double worth = double(p.n) * double(p.k) * sizeof(float) / kTaskBytes;
  const int64_t tasks = std::clamp<int64_t>(int64_t(worth), 1, std::min<int64_t>(threads(), vectors));
  parallel_for(tasks, [&](int64_t task) {
    const int64_t last = std::min(p.n, vectors * (task + 1) / tasks * n);
    for (int64_t column = vectors * task / tasks * n; column < last;) {
      const int64_t end = std::min(last, (column / kPanel<float> + 1) * kPanel<float>);
      multiply_by_panel(p, column, end);
      column = end;
    }
    if (streams(p, depth_of(p))) hwy::FlushStream();  // before another thread may read it
  });
}

bool uses_panels(const MatMul<float>& p) { return p.panels.data && reads_panels(p.m, false) && p.panels.form == panels_form_of(); }

template <class T>
void multiply(const MatMul<T>& p) {
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0) {  // an empty chain
    for (int64_t i = 0; i < p.m && !p.accumulate; ++i)
      for (int64_t j = 0; j < p.n; ++j) p.c[i * p.c_row + j] = p.bias ? p.bias[j] : T(0);
    return;
  }
  if constexpr (sizeof(T) == sizeof(float)) {
    if (p.bf16) return cpu::matmul_bf16(p);
    if (uses_panels(p)) return multiply_by_panels(p);
  }
  const Split s = split(p);
  constexpr int64_t n = kNativeLanes<T>;
  const int64_t tiles = (p.m + kRows - 1) / kRows, vectors = (p.n + n - 1) / n;
  const auto part = [](int64_t whole, int64_t i, int64_t parts) { return whole * i / parts; };
  parallel_for(s.blocks * s.groups, [&](int64_t task) {
    const int64_t block = task % s.blocks, group = task / s.blocks;
    const int64_t row = part(tiles, block, s.blocks) * kRows, end = std::min(p.m, part(tiles, block + 1, s.blocks) * kRows);
    const int64_t first = part(vectors, group, s.groups), count = part(vectors, group + 1, s.groups) - first;
    const int64_t together = reads_once(p) ? kVectors : kTogether, parts = (count + together - 1) / together;
    for (int64_t i = 0; i < parts; ++i)
      multiply_columns(p, row, end, Columns<T>{(first + part(count, i, parts)) * n,
                                               std::min(p.n, (first + part(count, i + 1, parts)) * n)});
    if (streams(p, depth_of(p))) hwy::FlushStream();  // before another thread may read it
  });
}

}  // namespace
SIMD_KERNEL(matmul, MatMul, multiply)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(matmul, MatMul)
HWY_EXPORT(panels_form_of);
HWY_EXPORT(panels_size_of);
HWY_EXPORT(pack_panels_of);
bool reads_panels(int64_t rows, bool bf16) {
  constexpr int64_t kMost = 64;
  return bf16 || rows <= kMost;
}
int panels_form(bool bf16) { return bf16 ? bf16_panels_form() : HWY_DYNAMIC_DISPATCH(panels_form_of)(); }
int64_t panels_size(int64_t n, int64_t k, bool bf16) {
  return bf16 ? bf16_panels_size(n, k) : HWY_DYNAMIC_DISPATCH(panels_size_of)(n, k);
}
Panels panels_from(const Panels& panels, int64_t column, int64_t k) {
  if (!panels.data || panels.form >= kBf16Panels || column % (panels.form - kFloatPanels)) return {};
  return {panels.data + column * k, panels.form};
}
void pack_panels(const MatMul<float>& p, float* panels) {
  if (p.bf16) bf16_pack_panels(p, panels);
  else HWY_DYNAMIC_DISPATCH(pack_panels_of)(p, panels);
}
}  // namespace kernels
#endif
