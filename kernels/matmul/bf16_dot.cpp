// The one file with VDPBF16PS, which Highway 1.0.3 lacks.
#include <atomic>
#include <bit>

#include "kernels/matmul/bf16.h"
#include "kernels/matmul/next_tile.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define BF16_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#endif

namespace kernels::bf16_dot {
namespace {

#if defined(__x86_64__)

BF16_TARGET inline __m512 dot(__m512 sum, __m512 a, __m512 b) {
  return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(a), (__m512bh)_mm512_castps_si512(b));
}

// Columns of the last vector that exist.
inline __mmask16 last_lanes(int64_t width, int vectors) { return __mmask16((1u << (width - (vectors - 1) * kLanes)) - 1); }

template <int Rows, int V>
BF16_TARGET __attribute__((noinline)) void tile(const Bf16Panel& p, const float* a, float* c) {
  const __mmask16 last = last_lanes(p.width, V);
  const float* start = p.from_c ? c : p.bias;
  const int64_t start_row = p.from_c ? p.c_row : 0;
  __m512 sum[Rows][V];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sum[i][v] = _mm512_setzero_ps();
  if (start) {
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v)
        sum[i][v] = _mm512_maskz_loadu_ps(v + 1 < V ? __mmask16(0xffff) : last, start + i * start_row + v * kLanes);
  }
  fetch_next_tile<Rows, 4 * V * kLanes>(c, 4 * p.c_row);
  const float* b = p.b;
  for (int64_t k = 0; k < p.pairs; ++k, a += p.a_pair, b += kVectors * kLanes) {
    __m512 x[V];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) x[v] = _mm512_loadu_ps(b + v * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const __m512 factor = _mm512_set1_ps(a[i * p.a_row]);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sum[i][v] = dot(sum[i][v], factor, x[v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v)
      _mm512_mask_storeu_ps(c + i * p.c_row + v * kLanes, v + 1 < V ? __mmask16(0xffff) : last, sum[i][v]);
}

template <int V>
void rows_of(const Bf16Panel& p) {
  const float* a = p.a;
  float* c = p.c;
  int64_t rows = p.rows;
  for (; rows >= kRows; rows -= kRows, a += p.a_tile, c += kRows * p.c_row) tile<kRows, V>(p, a, c);
  if (rows & 4) tile<4, V>(p, a, c), a += 4 * p.a_row, c += 4 * p.c_row;
  if (rows & 2) tile<2, V>(p, a, c), a += 2 * p.a_row, c += 2 * p.c_row;
  if (rows & 1) tile<1, V>(p, a, c);
}

BF16_TARGET double peak(int64_t rounds) {
  constexpr int kChains = 24;
  __m512 sum[kChains];
  for (int i = 0; i < kChains; ++i) sum[i] = _mm512_set1_ps(float(i));
  const __m512 half = _mm512_set1_ps(std::bit_cast<float>(0x3f003f00u));
  for (int64_t round = 0; round < rounds; ++round)
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) sum[i] = dot(sum[i], half, half);
  for (int i = 1; i < kChains; ++i) sum[0] = _mm512_add_ps(sum[0], sum[i]);
  volatile float sink = _mm512_cvtss_f32(sum[0]);
  (void)sink;
  return 4.0 * double(rounds) * kChains * kLanes;
}

#endif

std::atomic<bool>& chosen() {
#if defined(__x86_64__)
  static std::atomic<bool> on = available() && __builtin_cpu_is("amd");
#else
  static std::atomic<bool> on = false;
#endif
  return on;
}

}  // namespace

bool in_use() { return chosen(); }
void set_in_use(bool on) { chosen() = on && available(); }

#if defined(__x86_64__)
bool available() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
void multiply(const Bf16Panel& p) {
  if (p.width > 2 * kLanes) rows_of<3>(p);
  else if (p.width > kLanes) rows_of<2>(p);
  else rows_of<1>(p);
}
double flops(int64_t rounds) { return peak(rounds); }
#else
bool available() { return false; }
void multiply(const Bf16Panel&) {}
double flops(int64_t) { return 0; }
#endif

}  // namespace kernels::bf16_dot
