// Both operands are packed, and rounded on the way: B into panels of pairs, k-major; A by blocks of rows, as pairs for the
// instructions and as floats for the portable tile, which takes the pairs of B apart as it reads them. K is cut into blocks,
// and the chain goes on through C.
#include "kernels/matmul/bf16.h"

#include <algorithm>
#include <bit>

#include "kernels/matmul/next_panel.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/bf16.cpp"
#include "hwy/foreach_target.h"
#include "kernels/matmul/tile.h"
#include "kernels/simd.h"
#include "kernels/transpose.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

using Bits = hn::RebindToUnsigned<Tag<float>>;
constexpr int64_t kRowsOfTile = HWY_TARGET == HWY_AVX3 ? bf16_dot::kRows : 4;
constexpr int kVectors = bf16_dot::kVectors;
constexpr int64_t kLane = kNativeLanes<float>;
constexpr int64_t kWidth = kVectors * kLane;  // of a panel, but the matrix unit's
constexpr int64_t kBlockRows = 256;           // rows of A that a panel meets in turn
constexpr int64_t kTileRows = 1024;           // the same before the matrix unit, at most kTileNumbers of A
constexpr int64_t kStreamFrom = 256 * 1024;   // numbers of C that would push everything else out of the second-level cache
constexpr int64_t kTileNumbers = 512 * 1024, kTileDepth = 1024;
constexpr int64_t kMostDepth = 512;           // of a k block, even
constexpr int64_t kTogether = 12;             // panels that a task packs at a time
constexpr int64_t kFewRows = 4, kFewDepth = 128;  // up to these B is read once: panels pass through L1
constexpr double kTaskFlops = 1e6;            // the least that is worth a task of its own
constexpr double kTaskBytes = 64 << 10;       // the same of a B that lies in panels and is read once
constexpr int64_t kMemoryAhead = 12;          // pairs that such a B is fetched ahead
static_assert(kFewRows == 4);                 // see multiply_few_rows
constexpr double kLongTask = 100e6;           // from here on two tasks a thread

// ---- rounding ---------------------------------------------------------------------------------------------------

using Word = hn::Vec<Bits>;

// The upper half of each word is the bfloat16 number.
HWY_INLINE Word rounded(const Native<float>& x) {
  const Bits du;
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
  const auto near = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fffu)));
  const auto quiet = hn::Or(bits, hn::Set(du, 0x00400000u)), none = hn::And(bits, hn::Set(du, 0x80000000u));
  const auto flushed = hn::IfThenElse(hn::Eq(hn::And(bits, hn::Set(du, 0x7f800000u)), hn::Zero(du)), none, near);
  return hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(x)), quiet, flushed);
}
HWY_INLINE Native<float> upper(const Word& w) {
  return hn::BitCast(Tag<float>(), hn::And(w, hn::Set(Bits(), 0xffff0000u)));
}
HWY_INLINE Native<float> pair_of(const Word& even, const Word& odd) {
  return hn::BitCast(Tag<float>(), hn::Or(hn::ShiftRight<16>(even), hn::And(odd, hn::Set(Bits(), 0xffff0000u))));
}
HWY_INLINE Native<float> load_some(const float* p, int64_t left) {
  const Tag<float> d;
  return left >= kLane ? hn::LoadU(d, p) : hn::MaskedLoad(hn::FirstN(d, size_t(std::max<int64_t>(left, 0))), d, p);
}

constexpr int64_t even(int64_t n) { return (n + 1) / 2 * 2; }
constexpr int64_t padded(int64_t n) { return (n + kLane - 1) / kLane * kLane; }  // what whole vectors may write

enum class Form { portable, dot, tile };
constexpr int64_t panel_width(Form form) { return form == Form::tile ? bf16_tile::kColumns : kWidth; }
// Pairs that a k block is filled up to.
constexpr int64_t pairs_of(Form form, int64_t depth) {
  constexpr int64_t n = bf16_tile::kPairs;
  return form == Form::tile ? (even(depth) / 2 + n - 1) / n * n : even(depth) / 2;
}

// out[p] = the pair x[2p], x[2p + 1] of n numbers that lie side by side; up to a vector of zeros behind them.
void pair_up(Form form, const float* x, int64_t n, float* out) {
  if (form != Form::portable) return bf16_pairs::pair_up(x, n, out);
  const hn::Rebind<uint16_t, Tag<float>> half;
  auto* to = reinterpret_cast<uint16_t*>(out);
  for (int64_t i = 0; i < n; i += kLane)
    hn::StoreU(hn::DemoteTo(half, hn::BitCast(hn::RebindToSigned<Tag<float>>(), hn::ShiftRight<16>(rounded(load_some(x + i, n - i))))),
               half, to + i);
  if (n % 2 == 1) to[n] = 0;
}
void round_up(const float* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += kLane) hn::StoreU(upper(rounded(load_some(x + i, n - i))), Tag<float>(), out + i);
  if (n % 2 == 1) out[n] = 0;
}

// ---- packing ----------------------------------------------------------------------------------------------------

// Panel of B, rows of which are contiguous, `row` columns apart once packed.
void pack_rows(Form form, const float* b, int64_t b_row, int64_t depth, int64_t width, float* out, int64_t row) {
  if (form != Form::portable) {
    for (int64_t k = 0; k < depth; k += 2, b += 2 * b_row, out += row)
      bf16_pairs::pair_rows(b, k + 1 < depth ? b + b_row : nullptr, width, out);
    return;
  }
  for (int64_t k = 0; k < depth; k += 2, b += 2 * b_row, out += row)
    for (int64_t j = 0; j < width; j += kLane) {
      const auto first = rounded(load_some(b + j, width - j));
      const auto second = k + 1 < depth ? rounded(load_some(b + b_row + j, width - j)) : hn::Zero(Bits());
      hn::StoreU(pair_of(first, second), Tag<float>(), out + j);
    }
}

// The same where column j of B is a contiguous row of memory, b_col apart.
void pack_columns(Form form, const float* b, int64_t b_col, int64_t depth, int64_t width, float* out, int64_t row) {
  const int64_t pairs = even(depth) / 2, line = padded(pairs);
  float* lines = scratch<float>(size_t(kWidth * line), 2);
  for (int64_t j = 0; j < width; ++j) pair_up(form, b + j * b_col, depth, lines + j * line);
  transpose(lines, line, width, pairs, out, row);
  for (int64_t j = width; j < padded(width); ++j)
    for (int64_t k = 0; k < pairs; ++k) out[k * row + j] = 0;
}

// How a block of A lies once packed.
struct Packed {
  int64_t tile, row, pair, odd;
};

// Rows [first, last) of A over one k block, whose rows are contiguous.
Packed pack_a_rows(const MatMul<float>& p, int64_t first, int64_t last, int64_t k, int64_t depth, bool pairs, float* out) {
  const int64_t row = padded(pairs ? even(depth) / 2 : even(depth));
  for (int64_t i = first; i < last; ++i) {
    const float* x = p.a + i * p.a_row + k * p.a_col;
    if (pairs) pair_up(Form::dot, x, depth, out + (i - first) * row);
    else round_up(x, depth, out + (i - first) * row);
  }
  return {kRowsOfTile * row, row, pairs ? 1 : 2, 1};
}

// The same of an A whose columns are contiguous: tiles of its rows, k-major.
Packed pack_a_columns(const MatMul<float>& p, int64_t first, int64_t last, int64_t k, int64_t depth, bool pairs, float* out) {
  const int64_t rows = last - first, tiles = (rows + kRowsOfTile - 1) / kRowsOfTile, step = pairs ? kRowsOfTile : 2 * kRowsOfTile;
  const int64_t size = even(depth) / 2 * step;
  float line[2][kBlockRows + kLane] = {};
  for (int64_t e = 0; e < depth; e += 2) {
    const float *x = p.a + first * p.a_row + (k + e) * p.a_col, *next = e + 1 < depth ? x + p.a_col : nullptr;
    if (pairs) bf16_pairs::pair_rows(x, next, rows, line[0]);
    for (int64_t i = 0; i < rows && !pairs; i += kLane) {
      hn::StoreU(upper(rounded(load_some(x + i, rows - i))), Tag<float>(), line[0] + i);
      hn::StoreU(next ? upper(rounded(load_some(next + i, rows - i))) : hn::Zero(Tag<float>()), Tag<float>(), line[1] + i);
    }
    for (int64_t t = 0; t < tiles; ++t) {
      float* to = out + t * size + e / 2 * step;
      std::copy_n(line[0] + t * kRowsOfTile, kRowsOfTile, to);
      if (!pairs) std::copy_n(line[1] + t * kRowsOfTile, kRowsOfTile, to + kRowsOfTile);
    }
  }
  return {size, 1, step, kRowsOfTile};
}

// Rows of A for the matrix unit, filled up to whole tiles of pairs. A row is a cache line longer than it need be: rows a power of
// two apart would evict each other.
int64_t tile_row(int64_t depth) { return pairs_of(Form::tile, depth) + bf16_tile::kPairs; }
void pack_a_tiles(const MatMul<float>& p, int64_t first, int64_t last, int64_t k, int64_t depth, float* out) {
  const int64_t row = tile_row(depth), pairs = even(depth) / 2, rows = last - first;
  const float* a = p.a + first * p.a_row + k * p.a_col;
  if (p.a_col == 1) {
    for (int64_t i = 0; i < rows; ++i) pair_up(Form::tile, a + i * p.a_row, depth, out + i * row);  // fills up, too
    return;
  }
  constexpr int64_t kStrip = 4 * kLane;  // rows that turn together
  float* lines = scratch<float>(size_t(kStrip * pairs), 2);
  for (int64_t i = 0; i < rows; i += kStrip) {
    const int64_t some = std::min(kStrip, rows - i);
    pack_rows(Form::tile, a + i, p.a_col, depth, some, lines, kStrip);
    transpose(lines, kStrip, pairs, some, out + i * row, row);
  }
  for (int64_t i = 0; i < rows; ++i) std::fill(out + i * row + pairs, out + i * row + pairs_of(Form::tile, depth), 0.0f);
}

// ---- the portable tile ------------------------------------------------------------------------------------------

template <int Rows, int V>
HWY_NOINLINE void multiply_tile(const Bf16Panel& p, const float* a, float* c) {
  const Tag<float> d;
  const Bits du;
  Native<float> sum[Rows][V];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
    if (p.from_c) tile::load_row<float, V>(c + i * p.c_row, p.width, sum[i]);
    else if (p.bias) tile::load_row<float, V>(p.bias, p.width, sum[i]);
    else
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sum[i][v] = hn::Zero(d);
  }
  const float *b = p.b, *odd = a + p.a_odd;
  const int64_t row = p.a_row;
  for (int64_t k = 0; k < p.pairs; ++k, a += p.a_pair, odd += p.a_pair, b += kWidth) {
    Native<float> x[V];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) x[v] = upper(hn::BitCast(du, hn::LoadU(d, b + v * kLane)));
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const auto factor = hn::Set(d, odd[i * row]);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sum[i][v] = hn::MulAdd(factor, x[v], sum[i][v]);
    }
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) x[v] = hn::BitCast(d, hn::ShiftLeft<16>(hn::BitCast(du, hn::LoadU(d, b + v * kLane))));
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const auto factor = hn::Set(d, a[i * row]);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sum[i][v] = hn::MulAdd(factor, x[v], sum[i][v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) tile::store_row<float, V>(c + i * p.c_row, p.width, false, sum[i]);
}

template <int V>
void multiply_rows(const Bf16Panel& p) {
  const float* a = p.a;
  float* c = p.c;
  int64_t rows = p.rows;
  for (; rows >= kRowsOfTile; rows -= kRowsOfTile, a += p.a_tile, c += kRowsOfTile * p.c_row)
    multiply_tile<int(kRowsOfTile), V>(p, a, c);
  if (kRowsOfTile > 4 && (rows & 4)) multiply_tile<4, V>(p, a, c), a += 4 * p.a_row, c += 4 * p.c_row;
  if (rows & 2) multiply_tile<2, V>(p, a, c), a += 2 * p.a_row, c += 2 * p.c_row;
  if (rows & 1) multiply_tile<1, V>(p, a, c);
}

void multiply_panel(const Bf16Panel& p) {
  if (p.width > 2 * kLane) multiply_rows<3>(p);
  else if (p.width > kLane) multiply_rows<2>(p);
  else multiply_rows<1>(p);
}

// ---- the product ------------------------------------------------------------------------------------------------

struct Part {  // of C that one task computes
  int64_t row, end, column, last;
};

// Of a k block: whole pairs, or whole tiles of them.
int64_t depth_of(const MatMul<float>& p, Form form) {
  const int64_t long_one = form == Form::tile ? kTileDepth : kMostDepth;
  const int64_t most = p.m <= kFewRows && !p.panels.data ? kFewDepth : long_one, blocks = (p.k + most - 1) / most;
  return 2 * pairs_of(form, (p.k + blocks - 1) / blocks);
}

void pack_b(const MatMul<float>& p, Form form, int64_t k, int64_t depth, int64_t column, int64_t width, float* out) {
  const int64_t row = panel_width(form);
  const float* b = p.b + k * p.b_row + column * p.b_col;
  if (p.b_col == 1) pack_rows(form, b, p.b_row, depth, width, out, row);
  else pack_columns(form, b, p.b_col, depth, width, out, row);
  std::fill(out + even(depth) / 2 * row, out + pairs_of(form, depth) * row, 0.0f);
}

// Where the panels of a B that was packed beforehand lie: one behind another, each over all of k.
int64_t panel_size(Form form, int64_t k) { return pairs_of(form, k) * panel_width(form); }

// The panel of B over one k block: packed beforehand, or into `out` now.
const float* panel_of(const MatMul<float>& p, Form form, int64_t k, int64_t depth, int64_t column, int64_t width, float* out) {
  const int64_t wide = panel_width(form);
  if (p.panels.data) return p.panels.data + column / wide * panel_size(form, p.k) + k / 2 * wide;
  pack_b(p, form, k, depth, column, width, out);
  return out;
}

Packed pack_a(const MatMul<float>& p, int64_t first, int64_t last, int64_t k, int64_t depth, bool pairs, float* out) {
  return p.a_col == 1 ? pack_a_rows(p, first, last, k, depth, pairs, out) : pack_a_columns(p, first, last, k, depth, pairs, out);
}

// Rows [first, last) of A, packed at `rows`, before a panel of B.
Bf16Panel block_of(const MatMul<float>& p, int64_t first, int64_t last, int64_t k, int64_t depth, const Packed& a, const float* rows,
                   int64_t column, int64_t width, const float* panel) {
  return {.a = rows, .a_tile = a.tile, .a_row = a.row, .a_pair = a.pair, .a_odd = a.odd, .b = panel, .pairs = even(depth) / 2,
          .rows = last - first, .c = p.c + first * p.c_row + column, .c_row = p.c_row, .width = width,
          .from_c = p.accumulate || k > 0, .bias = p.bias ? p.bias + column : nullptr};
}

void multiply_block(const Bf16Panel& block, bool dot) {
  if (dot) bf16_dot::multiply(block);
  else multiply_panel(block);
}

// The panels of a group where one block of rows meets them: each is multiplied as soon as it is packed, and the next one is asked
// for meanwhile.
void multiply_warm(const MatMul<float>& p, const Part& part, bool dot) {
  const Form form = dot ? Form::dot : Form::portable;
  const int64_t most = depth_of(p, form), tiles = (part.end - part.row + kRowsOfTile - 1) / kRowsOfTile;
  float* packed = scratch<float>(size_t(even(most) / 2 * kWidth), 0);
  float* rows = scratch<float>(size_t((kBlockRows + kRowsOfTile) * padded(most)), 1);
  for (int64_t k = 0; k < p.k; k += most) {
    const int64_t depth = std::min(most, p.k - k);
    const Packed a = pack_a(p, part.row, part.end, k, depth, dot, rows);
    for (int64_t column = part.column; column < part.last; column += kWidth) {
      const int64_t width = std::min(kWidth, part.last - column);
      pack_b(p, form, k, depth, column, width, packed);
      Bf16Panel tile = block_of(p, part.row, part.end, k, depth, a, rows, column, width, packed);
      NextPanel<float> next(p, k, depth, column + width, kWidth);
      const int64_t each = next.share(tiles), together = each ? kRowsOfTile : tile.rows;
      for (int64_t left = tile.rows; left > 0; left -= together, tile.a += tile.a_tile, tile.c += kRowsOfTile * tile.c_row) {
        next.fetch(each);
        tile.rows = std::min(left, together);
        multiply_block(tile, dot);
      }
    }
  }
}

// Whether it does: one block of rows meets the panels, and packing one alone does not touch many pages for a few numbers each.
bool reads_warm(const MatMul<float>& p, const Part& part) {
  return !p.panels.data && part.end - part.row <= kBlockRows && packs_alone(p);
}

// The panels of a group, over all of k, a few together.
void multiply_panels(const MatMul<float>& p, const Part& part, bool dot) {
  if (reads_warm(p, part)) return multiply_warm(p, part, dot);
  const Form form = dot ? Form::dot : Form::portable;
  const int64_t most = depth_of(p, form), panel = even(most) / 2 * kWidth, count = (part.last - part.column + kWidth - 1) / kWidth;
  float* packed = scratch<float>(size_t(p.panels.data ? 0 : count * panel), 0);
  float* rows = scratch<float>(size_t((kBlockRows + kRowsOfTile) * padded(most)), 1);
  const float* panels[kTogether];
  for (int64_t k = 0; k < p.k; k += most) {
    const int64_t depth = std::min(most, p.k - k);
    const auto width = [&](int64_t i) { return std::min(kWidth, part.last - part.column - i * kWidth); };
    for (int64_t i = 0; i < count; ++i)
      panels[i] = panel_of(p, form, k, depth, part.column + i * kWidth, width(i), p.panels.data ? nullptr : packed + i * panel);
    for (int64_t first = part.row; first < part.end; first += kBlockRows) {
      const int64_t last = std::min(part.end, first + kBlockRows);
      const Packed a = pack_a(p, first, last, k, depth, dot, rows);
      for (int64_t i = 0; i < count; ++i)
        multiply_block(block_of(p, first, last, k, depth, a, rows, part.column + i * kWidth, width(i), panels[i]), dot);
    }
  }
}

// The matrix unit multiplies in the time that packing takes, so every number is packed once: many rows of A stay in the
// second-level cache, and the panels of B pass through the first.
void multiply_tiles(const MatMul<float>& p, const Part& part) {
  constexpr int64_t kWide = bf16_tile::kColumns;
  const int64_t most = depth_of(p, Form::tile), together = std::min(kTileRows, kTileNumbers / most / 32 * 32);
  const bool streams = !p.accumulate && most >= p.k && p.m * p.n >= kStreamFrom && p.c_row % 16 == 0 &&
                       reinterpret_cast<uintptr_t>(p.c + part.column) % 64 == 0;
  const int64_t rows_most = std::min(together, part.end - part.row);
  float* packed = scratch<float>(size_t(pairs_of(Form::tile, most) * kWide), 0);
  float* rows = scratch<float>(size_t((rows_most + bf16_tile::kRows) * tile_row(most)), 1);
  for (int64_t first = part.row; first < part.end; first += together) {
    const int64_t last = std::min(part.end, first + together);
    for (int64_t k = 0; k < p.k; k += most) {
      const int64_t depth = std::min(most, p.k - k);
      pack_a_tiles(p, first, last, k, depth, rows);
      for (int64_t column = part.column; column < part.last; column += kWide) {
        const int64_t width = std::min(kWide, part.last - column);
        const float* panel = panel_of(p, Form::tile, k, depth, column, width, packed);
        bf16_tile::multiply({.a = rows, .a_tile = 0, .a_row = tile_row(depth), .a_pair = 1, .a_odd = 0, .b = panel, .pairs = pairs_of(Form::tile, depth),
                             .rows = last - first, .c = p.c + first * p.c_row + column, .c_row = p.c_row, .width = width,
                             .from_c = p.accumulate || k > 0, .bias = p.bias ? p.bias + column : nullptr,
                             .stream = streams && width == kWide});
      }
    }
  }
}

int number_of(Form form) { return kBf16Panels * (1 + int(form)) + int(panel_width(form)); }

// A few rows times a panel of whole tiles of pairs, in the matrix unit's order: it would wait for memory longer, a tile at a time,
// than vectors do. `a`: the rows as rounded floats, `row` apart, zeros up to whole tiles.
template <int Rows>
void multiply_few(const MatMul<float>& p, const float* a, int64_t row, int64_t column, int64_t width) {
  constexpr int V = bf16_tile::kColumns / bf16_dot::kLanes;
  const Tag<float> d;
  const Bits du;
  const int64_t pairs = pairs_of(Form::tile, p.k);
  const float* b = p.panels.data + column * pairs;
  alignas(64) float sums[Rows][V * kLane] = {};
  for (int i = 0; i < Rows && (p.accumulate || p.bias); ++i)
    std::copy_n(p.accumulate ? p.c + i * p.c_row + column : p.bias + column, width, sums[i]);
  Native<float> sum[Rows][V];
  for (int i = 0; i < Rows; ++i)
    for (int v = 0; v < V; ++v) sum[i][v] = hn::Load(d, sums[i] + v * kLane);
  for (int64_t first = 0; first < pairs; first += bf16_tile::kPairs) {
    Native<float> even[Rows][V], odd[Rows][V];
#pragma GCC unroll 4
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) even[i][v] = odd[i][v] = hn::Zero(d);
    for (int64_t k = first; k < first + bf16_tile::kPairs; ++k, b += bf16_tile::kColumns)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        const auto w = hn::BitCast(du, hn::LoadU(d, b + v * kLane));
        hwy::Prefetch(b + kMemoryAhead * bf16_tile::kColumns + v * kLane);
        const auto low = hn::BitCast(d, hn::ShiftLeft<16>(w)), high = upper(w);
#pragma GCC unroll 4
        for (int i = 0; i < Rows; ++i) {
          even[i][v] = hn::MulAdd(hn::Set(d, a[i * row + 2 * k]), low, even[i][v]);
          odd[i][v] = hn::MulAdd(hn::Set(d, a[i * row + 2 * k + 1]), high, odd[i][v]);
        }
      }
#pragma GCC unroll 4
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[i][v] = hn::Add(sum[i][v], hn::Add(even[i][v], odd[i][v]));
  }
  for (int i = 0; i < Rows; ++i) {
    for (int v = 0; v < V; ++v) hn::Store(sum[i][v], d, sums[i] + v * kLane);
    std::copy_n(sums[i], width, p.c + i * p.c_row + column);
  }
}

void multiply_few_rows(const MatMul<float>& p, const Part& part) {
  const int64_t pairs = pairs_of(Form::tile, p.k), row = 2 * pairs;
  float* a = scratch<float>(size_t(p.m * row), 1);
  float* packed = scratch<float>(size_t(pairs), 2);
  for (int64_t i = 0; i < p.m; ++i) {
    bf16_pairs::pair_up(p.a + i * p.a_row, p.k, packed);
    for (int64_t k = 0; k < pairs; ++k) {
      const auto bits = std::bit_cast<uint32_t>(packed[k]);
      a[i * row + 2 * k] = std::bit_cast<float>(bits << 16), a[i * row + 2 * k + 1] = std::bit_cast<float>(bits & 0xffff0000u);
    }
  }
  for (int64_t column = part.column; column < part.last; column += bf16_tile::kColumns) {
    const int64_t width = std::min<int64_t>(bf16_tile::kColumns, part.last - column);
    if (p.m == 4) multiply_few<4>(p, a, row, column, width);
    else if (p.m == 3) multiply_few<3>(p, a, row, column, width);
    else if (p.m == 2) multiply_few<2>(p, a, row, column, width);
    else multiply_few<1>(p, a, row, column, width);
  }
}

Form form_in_use() {
  if (HWY_TARGET == HWY_AVX3 && bf16_tile::in_use()) return Form::tile;
  return HWY_TARGET == HWY_AVX3 && bf16_dot::in_use() ? Form::dot : Form::portable;
}

// Blocks of rows by groups of columns; no element depends on the cut. Of the grids with enough tasks the one that packs least.
void multiply(MatMul<float> p) {
  const Form form = form_in_use();
  if (p.panels.form != number_of(form)) p.panels = {};
  const bool reads_once = p.panels.data && p.m <= kFewRows;  // it is bound by reading B
  const double work = 2.0 * double(p.m) * double(p.n) * double(p.k);
  const double worth = reads_once ? double(p.n) * double(p.k) * 2 / kTaskBytes : work / kTaskFlops;
  const int64_t tasks = std::clamp<int64_t>(int64_t(worth), 1, (work > kLongTask * threads() ? 2 : 1) * threads());
  const int64_t rows_of_tile = form == Form::tile ? bf16_tile::kRows : kRowsOfTile;
  const int64_t unit = p.panels.data ? panel_width(form) : kLane;  // columns of C that stay together
  const int64_t tiles = (p.m + rows_of_tile - 1) / rows_of_tile, vectors = (p.n + unit - 1) / unit;
  int64_t groups = 1, blocks = 1;
  double least = -1;
  for (int64_t g = 1; g <= std::min(tasks, vectors); ++g) {
    const int64_t b = (tasks + g - 1) / g;
    const double packed = double(p.m) * double(g) + 2 * double(p.n) * double(b);
    if (b <= tiles && (least < 0 || packed < least)) least = packed, groups = g, blocks = b;
  }
  const int64_t together = p.m <= kFewRows ? kWidth : kTogether * kWidth;
  parallel_for(blocks * groups, [&](int64_t task) {
    const int64_t block = task % blocks, group = task / blocks;
    const int64_t row = tiles * block / blocks * rows_of_tile, end = std::min(p.m, tiles * (block + 1) / blocks * rows_of_tile);
    const int64_t first = vectors * group / groups * unit, last = std::min(p.n, vectors * (group + 1) / groups * unit);
    if (form == Form::tile && reads_once && p.a_col == 1) return multiply_few_rows(p, {row, end, first, last});
    if (form == Form::tile) return multiply_tiles(p, {row, end, first, last});
    for (int64_t column = first; column < last; column += together)
      multiply_panels(p, {row, end, column, std::min(last, column + together)}, form == Form::dot);
  });
}

}  // namespace
void matmul_bf16_f32(const MatMul<float>& p) { multiply(p); }
int bf16_panels_form_of() { return number_of(form_in_use()); }
int64_t bf16_panels_size_of(int64_t n, int64_t k) {
  const Form form = form_in_use();
  return (n + panel_width(form) - 1) / panel_width(form) * panel_size(form, k);
}
void bf16_pack_panels_of(const MatMul<float>& p, float* panels) {
  const Form form = form_in_use();
  const int64_t wide = panel_width(form), size = panel_size(form, p.k);
  parallel_for((p.n + wide - 1) / wide, [&](int64_t i) {
    pack_b(p, form, 0, p.k, i * wide, std::min(wide, p.n - i * wide), panels + i * size);
  });
}
const char* bf16_instruction_of() {
  const Form form = form_in_use();
  return form == Form::tile ? "TDPBF16PS" : form == Form::dot ? "VDPBF16PS" : "";
}
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
HWY_EXPORT(matmul_bf16_f32);
HWY_EXPORT(bf16_instruction_of);
HWY_EXPORT(bf16_panels_form_of);
HWY_EXPORT(bf16_panels_size_of);
HWY_EXPORT(bf16_pack_panels_of);
const char* bf16_instruction() { return HWY_DYNAMIC_DISPATCH(bf16_instruction_of)(); }
int bf16_panels_form() { return HWY_DYNAMIC_DISPATCH(bf16_panels_form_of)(); }
int64_t bf16_panels_size(int64_t n, int64_t k) { return HWY_DYNAMIC_DISPATCH(bf16_panels_size_of)(n, k); }
void bf16_pack_panels(const MatMul<float>& p, float* panels) { HWY_DYNAMIC_DISPATCH(bf16_pack_panels_of)(p, panels); }
void cpu::matmul_bf16(const MatMul<float>& p) { HWY_DYNAMIC_DISPATCH(matmul_bf16_f32)(p); }
}  // namespace kernels
#endif
