// Rows of keys and values, for both ways through attention: as floats, side by side, asked for early. Include after
// kernels/simd.h, inside a kernel file.
#if defined(KERNELS_ATTENTION_ROWS_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_ATTENTION_ROWS_H_
#undef KERNELS_ATTENTION_ROWS_H_
#else
#define KERNELS_ATTENTION_ROWS_H_
#endif

#include <algorithm>
#include <limits>
#include <type_traits>

#include "kernels/attention/attention.h"
#include "kernels/fetch.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {

// Keys and values may be bfloat16 numbers: wherever they are loaded they become floats.
using HalfTag = hn::Rebind<uint16_t, Tag<float>>;
HWY_INLINE Native<float> widened(const hn::Vec<HalfTag>& halves) {
  return hn::BitCast(Tag<float>(), hn::ShiftLeft<16>(hn::PromoteTo(Tag<uint32_t>(), halves)));
}
HWY_INLINE Vec<float> load(const BFloat16* p) {
  const auto* words = reinterpret_cast<const uint16_t*>(p);
  Vec<float> r;
  for (int i = 0; i < Vec<float>::kParts; ++i) r.part[i] = widened(hn::LoadU(HalfTag(), words + i * kNativeLanes<float>));
  return r;
}
HWY_INLINE Vec<float> load(const BFloat16* p, int64_t n) {
  if (HWY_LIKELY(n >= kLanes<float>)) return load(p);
#if HWY_TARGET == HWY_AVX3
  const auto some = hn::FirstN(HalfTag(), size_t(std::max<int64_t>(n, 0)));
  return {{widened(hn::MaskedLoad(some, HalfTag(), reinterpret_cast<const uint16_t*>(p)))}};
#else
  BFloat16 some[kLanes<float>] = {};
  for (int64_t i = 0; i < n; ++i) some[i] = p[i];
  return load(some);
#endif
}

namespace {

constexpr int64_t kKeys = 64;  // a block of keys
enum Slot { kQueries, kScores, kSums, kAdjoints, kSlopes, kQueryGradients, kPacked, kHeads };

// f(k, v) with the keys and values that are there
template <class T, class F>
void with_keys(const Attention<T>& a, F f) {
  if constexpr (std::is_same_v<T, float>)
    if (a.k_bf16) return f(a.k_bf16, a.v_bf16);
  f(a.k, a.v);
}

// Rows [begin, begin + count) of `dim` columns, side by side. They are short: a loop in place of a call for each.
template <class T, class X>
void copy_rows(const Sequence<const X>& x, int64_t b, int64_t column, int64_t begin, int64_t count, int64_t dim, T* out) {
  for (int64_t i = 0; i < count; ++i, out += dim) {
    const X* row = x.row(b, begin + i) + column;
    for (int64_t d = 0; d < dim; d += kLanes<T>) store(out + d, load(row + d, dim - d), dim - d);
  }
}

// What comes next, the next head or a query's next block of keys, asked for while one is in work, a few rows at a time: short
// pieces of rows that lie far apart are nothing that the hardware would fetch by itself.
struct Upcoming {
  struct Part {
    const char* data;
    int64_t stride, width;  // bytes
  };
  Part parts[8] = {};
  int count = 0;
  int64_t row = 0, end = 0;

  template <class X>
  void add(const Sequence<X>& x, int64_t b, int64_t column, int64_t width) {
    const int64_t size = sizeof(X);
    parts[count++] = {reinterpret_cast<const char*>(x.row(b, 0) + column), x.stride * size, width * size};
  }

  HWY_INLINE void fetch(int64_t rows) {
    for (const int64_t last = std::min(end, row + rows); row < last; ++row)
      for (int i = 0; i < count; ++i) kernels::fetch(parts[i].data + row * parts[i].stride, parts[i].width);
  }
};

template <class T>
void clear(T* x, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes<T>) store(x + i, zero<T>(), n - i);
}

template <class T>
int64_t first_key(const Attention<T>& a, int64_t b, int64_t t) { return a.first ? a.first[b * a.q.length + t] : 0; }
template <class T>
int64_t past_key(const Attention<T>& a, int64_t b, int64_t t) { return (a.past ? a.past[b] : 0) + t + 1; }

template <class T>
constexpr T kLowest = std::numeric_limits<T>::lowest();

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
