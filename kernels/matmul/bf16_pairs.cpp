// Packing with VCVTNE2PS2BF16, which Highway 1.0.3 lacks: two vectors of floats become one of pairs.
#include "kernels/matmul/bf16.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define PAIRS_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#endif

namespace kernels::bf16_pairs {

#if defined(__x86_64__)
namespace {
constexpr int kLanes = 16;
constexpr int64_t kAhead = 1024;  // numbers that pair_up fetches ahead: beyond the end of most rows, where the next one begins
}  // namespace

PAIRS_TARGET void pair_up(const float* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += 2 * kLanes) {
    _mm_prefetch(x + i + kAhead, _MM_HINT_T0);
    _mm_prefetch(x + i + kAhead + kLanes, _MM_HINT_T0);
    const int64_t left = n - i;
    const __mmask16 low = left >= kLanes ? 0xffff : __mmask16((1u << left) - 1);
    const __mmask16 high = left >= 2 * kLanes ? 0xffff : left <= kLanes ? 0 : __mmask16((1u << (left - kLanes)) - 1);
    const __m512bh pairs = _mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, x + i + kLanes), _mm512_maskz_loadu_ps(low, x + i));
    _mm512_storeu_si512(out + i / 2, (__m512i)pairs);
  }
}
PAIRS_TARGET void pair_rows(const float* even, const float* odd, int64_t n, float* out) {
  alignas(64) static const uint16_t order[32] = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
                                                 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i interleaved = _mm512_load_si512(order);
  for (int64_t j = 0; j < n; j += kLanes) {
    const __mmask16 some = n - j >= kLanes ? 0xffff : __mmask16((1u << (n - j)) - 1);
    const __m512 first = _mm512_maskz_loadu_ps(some, even + j), second = odd ? _mm512_maskz_loadu_ps(some, odd + j) : _mm512_setzero_ps();
    _mm512_storeu_si512(out + j, _mm512_permutexvar_epi16(interleaved, (__m512i)_mm512_cvtne2ps_pbh(second, first)));
  }
}
#else
void pair_up(const float*, int64_t, float*) {}
void pair_rows(const float*, const float*, int64_t, float*) {}
#endif

}  // namespace kernels::bf16_pairs
