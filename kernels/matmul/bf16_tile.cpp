// The one file with TDPBF16PS, the matrix unit (AMX), which Highway lacks.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "kernels/matmul/bf16.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#define TILE_TARGET __attribute__((target("avx512f,amx-tile,amx-bf16")))
#endif

namespace kernels::bf16_tile {
namespace {

#if defined(__x86_64__) && defined(__linux__)

constexpr int kSide = 16;  // rows of a tile, floats or pairs of a row

struct TileShapes {  // what LDTILECFG reads
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
  TileShapes() { std::fill_n(row_bytes, 8, uint16_t(4 * kSide)), std::fill_n(rows, 8, uint8_t(kSide)); }
};
static_assert(sizeof(TileShapes) == 64);

// A thread's tiles while it multiplies.
struct Tiles {
  TILE_TARGET Tiles() {
    static const TileShapes shapes;
    _tile_loadconfig(&shapes);
  }
  TILE_TARGET ~Tiles() { _tile_release(); }
};

// A block of C of up to 2 x 2 tiles: 0 and 1 above 2 and 3; A's are 4 and 5, B's 6 and 7.
template <bool kTwoRows, bool kTwoColumns>
TILE_TARGET void multiply_block(const Bf16Panel& p, const float* a, float* c, int64_t c_row, bool from_c) {
  const float* b = p.b;
  asm volatile("" : : "r"(c) : "memory");  // the intrinsics don't tell the compiler that they read memory
  const int64_t a_bytes = 4 * p.a_row, b_bytes = 4 * kColumns, c_bytes = 4 * c_row;
  if (from_c) {
    _tile_loadd(0, c, c_bytes);
    if constexpr (kTwoColumns) _tile_loadd(1, c + kSide, c_bytes);
    if constexpr (kTwoRows) _tile_loadd(2, c + kSide * c_row, c_bytes);
    if constexpr (kTwoRows && kTwoColumns) _tile_loadd(3, c + kSide * c_row + kSide, c_bytes);
  } else {
    _tile_zero(0);
    if constexpr (kTwoColumns) _tile_zero(1);
    if constexpr (kTwoRows) _tile_zero(2);
    if constexpr (kTwoRows && kTwoColumns) _tile_zero(3);
  }
  for (int64_t k = 0; k < p.pairs; k += kSide, a += kSide, b += kSide * kColumns) {
    _tile_loadd(6, b, b_bytes);
    _tile_loadd(4, a, a_bytes);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kTwoColumns) _tile_loadd(7, b + kSide, b_bytes);
    if constexpr (kTwoColumns) _tile_dpbf16ps(1, 4, 7);
    if constexpr (kTwoRows) _tile_loadd(5, a + kSide * p.a_row, a_bytes);
    if constexpr (kTwoRows) _tile_dpbf16ps(2, 5, 6);
    if constexpr (kTwoRows && kTwoColumns) _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, c_bytes);
  if constexpr (kTwoColumns) _tile_stored(1, c + kSide, c_bytes);
  if constexpr (kTwoRows) _tile_stored(2, c + kSide * c_row, c_bytes);
  if constexpr (kTwoRows && kTwoColumns) _tile_stored(3, c + kSide * c_row + kSide, c_bytes);
}

void multiply_block(const Bf16Panel& p, const float* a, int64_t rows, int64_t columns, float* c, int64_t c_row, bool from_c) {
  if (rows > kSide && columns > kSide) multiply_block<true, true>(p, a, c, c_row, from_c);
  else if (rows > kSide) multiply_block<true, false>(p, a, c, c_row, from_c);
  else if (columns > kSide) multiply_block<false, true>(p, a, c, c_row, from_c);
  else multiply_block<false, false>(p, a, c, c_row, from_c);
}

// Whole tiles that hold `rows` x `width` numbers of C, or what the sum begins with.
void multiply_edge(const Bf16Panel& p, const float* a, int64_t rows, float* c) {
  alignas(64) float block[kRows * kColumns];
  const bool starts = p.from_c || p.bias;
  if (starts) std::fill_n(block, kRows * kColumns, 0.0f);
  for (int64_t i = 0; starts && i < rows; ++i) std::copy_n(p.from_c ? c + i * p.c_row : p.bias, p.width, block + i * kColumns);
  multiply_block(p, a, rows, p.width, block, kColumns, starts);
  for (int64_t i = 0; i < rows; ++i) std::copy_n(block + i * kColumns, p.width, c + i * p.c_row);
}

// Past the caches, which spares reading what is overwritten.
TILE_TARGET void multiply_streaming(const Bf16Panel& p, const float* a, float* c) {
  alignas(64) float block[kRows * kColumns];
  multiply_block<true, true>(p, a, block, kColumns, false);
  for (int64_t i = 0; i < kRows; ++i, c += p.c_row) {
    _mm512_stream_ps(c, _mm512_load_ps(block + i * kColumns));
    _mm512_stream_ps(c + kSide, _mm512_load_ps(block + i * kColumns + kSide));
  }
}

TILE_TARGET double peak(int64_t rounds) {
  alignas(64) static const float zeros[kSide * kSide] = {};
  alignas(64) float sum[kSide * kSide];
  const Tiles tiles;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, zeros, 64);
  _tile_loadd(5, zeros, 64);
  _tile_loadd(6, zeros, 64);
  _tile_loadd(7, zeros, 64);
  for (int64_t round = 0; round < rounds; ++round) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, sum, 64);
  volatile float sink = sum[0];
  (void)sink;
  return 4.0 * double(rounds) * 4 * kSide * kSide * kSide;
}

// CPUID tells of the instructions; Linux lends a process the tiles' registers only when asked (since 5.16).
bool ask_for_tiles() {
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!bf16_dot::available() || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & kAmxBf16) || !(d & kAmxTile)) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

#endif

std::atomic<bool>& chosen() {
  static std::atomic<bool> on = available();
  return on;
}

}  // namespace

bool in_use() { return chosen(); }
void set_in_use(bool on) { chosen() = on && available(); }

#if defined(__x86_64__) && defined(__linux__)
bool available() {
  static const bool there = ask_for_tiles();
  return there;
}
void multiply(const Bf16Panel& p) {
  const Tiles tiles;
  for (int64_t row = 0; row < p.rows; row += kRows) {
    const int64_t rows = std::min<int64_t>(kRows, p.rows - row);
    const float* a = p.a + row * p.a_row;
    float* c = p.c + row * p.c_row;
    const bool whole = rows == kRows && p.width == kColumns && (p.from_c || !p.bias);
    if (whole && p.stream) multiply_streaming(p, a, c);
    else if (whole) multiply_block(p, a, rows, p.width, c, p.c_row, p.from_c);
    else multiply_edge(p, a, rows, c);
  }
  if (p.stream) _mm_sfence();  // before another thread may read it
}
double flops(int64_t rounds) { return peak(rounds); }
#else
bool available() { return false; }
void multiply(const Bf16Panel&) {}
double flops(int64_t) { return 0; }
#endif

}  // namespace kernels::bf16_tile
