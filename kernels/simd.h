// SIMD for kernels, Highway behind it. A Vec<T> always has 64 bytes (16 floats or 8 doubles), whatever the target:
// one AVX-512 register, two of AVX2. So lanes, tails and the order of sums are the same everywhere, and so are the bits.
//
// A kernel file is compiled once for each target:
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "kernels/<op>/cpu.cpp"
//   #include "hwy/foreach_target.h"
//   #include "kernels/simd.h"
//   HWY_BEFORE_NAMESPACE();
//   namespace kernels { namespace HWY_NAMESPACE { namespace {
//   template <class T> void forward(const Args<T>& a) { … }
//   }  SIMD_KERNEL(op_fwd, Args, forward)  } }
//   HWY_AFTER_NAMESPACE();
//   #if HWY_ONCE
//   namespace kernels { SIMD_DISPATCH(op_fwd, Args) }
//   #endif

// Toggled by foreach_target.h: this part is seen once for each target.
#if defined(KERNELS_SIMD_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_SIMD_H_
#undef KERNELS_SIMD_H_
#else
#define KERNELS_SIMD_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#ifndef SIMD_KERNEL
// The entries of one target for both number types.
#define SIMD_KERNEL(name, Args, body)                       \
  void name##_f32(const Args<float>& a) { body<float>(a); } \
  void name##_f64(const Args<double>& a) { body<double>(a); }
// cpu::name<T>, which calls the entry of the target in use.
#define SIMD_DISPATCH(name, Args)                                                    \
  HWY_EXPORT(name##_f32);                                                            \
  HWY_EXPORT(name##_f64);                                                            \
  namespace cpu {                                                                    \
  template <>                                                                        \
  void name<float>(const Args<float>& a) { HWY_DYNAMIC_DISPATCH(name##_f32)(a); }    \
  template <>                                                                        \
  void name<double>(const Args<double>& a) { HWY_DYNAMIC_DISPATCH(name##_f64)(a); }  \
  }
#endif

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
constexpr int kLanes = 64 / int(sizeof(T));

template <class T>
using Tag = hn::ScalableTag<T>;
template <class T>
using Native = hn::Vec<Tag<T>>;
template <class T>
constexpr int kNativeLanes = int(hn::MaxLanes(Tag<T>()));

template <class T>
struct Vec {
  static constexpr int kParts = kLanes<T> / kNativeLanes<T>;
  Native<T> part[kParts];
};

#define EACH_PART for (int i = 0; i < Vec<T>::kParts; ++i)

template <class T>
HWY_INLINE Vec<T> set(T x) {
  Vec<T> r;
  EACH_PART r.part[i] = hn::Set(Tag<T>(), x);
  return r;
}
template <class T>
HWY_INLINE Vec<T> zero() { return set<T>(T(0)); }
template <class T>
HWY_INLINE Vec<T> load(const T* p) {
  Vec<T> r;
  EACH_PART r.part[i] = hn::LoadU(Tag<T>(), p + i * kNativeLanes<T>);
  return r;
}
// The first n lanes; the others are 0. Nothing beyond them is read.
template <class T>
HWY_INLINE Vec<T> load(const T* p, int64_t n) {
  if (HWY_LIKELY(n >= kLanes<T>)) return load(p);
  Vec<T> r;
  EACH_PART {
    const int64_t left = n - i * kNativeLanes<T>;
    r.part[i] = left <= 0 ? hn::Zero(Tag<T>())
                          : hn::MaskedLoad(hn::FirstN(Tag<T>(), size_t(left)), Tag<T>(), p + i * kNativeLanes<T>);
  }
  return r;
}
// The first n lanes of x; the others become 0.
template <class T>
HWY_INLINE Vec<T> keep(const Vec<T>& x, int64_t n) {
  if (HWY_LIKELY(n >= kLanes<T>)) return x;
  Vec<T> r;
  EACH_PART {
    const int64_t left = n - i * kNativeLanes<T>;
    r.part[i] = left <= 0 ? hn::Zero(Tag<T>()) : hn::IfThenElseZero(hn::FirstN(Tag<T>(), size_t(left)), x.part[i]);
  }
  return r;
}
template <class T>
HWY_INLINE void store(T* p, const Vec<T>& x) {
  EACH_PART hn::StoreU(x.part[i], Tag<T>(), p + i * kNativeLanes<T>);
}
template <class T>
HWY_INLINE void store(T* p, const Vec<T>& x, int64_t n) {
  if (HWY_LIKELY(n >= kLanes<T>)) return store(p, x);
  EACH_PART {
    const int64_t left = n - i * kNativeLanes<T>;
    if (left > 0)
      hn::BlendedStore(x.part[i], hn::FirstN(Tag<T>(), size_t(left)), Tag<T>(), p + i * kNativeLanes<T>);
  }
}

#define LIFT_BINARY(name, op)                                     \
  template <class T>                                              \
  HWY_INLINE Vec<T> name(const Vec<T>& a, const Vec<T>& b) {      \
    Vec<T> r;                                                     \
    EACH_PART r.part[i] = hn::op(a.part[i], b.part[i]);           \
    return r;                                                     \
  }
LIFT_BINARY(operator+, Add)
LIFT_BINARY(operator-, Sub)
LIFT_BINARY(operator*, Mul)
LIFT_BINARY(operator/, Div)
// Where a is NaN, or both are: b. So max(limit, x) keeps a NaN in x. x86's instructions do just that; Highway's
// portable Max and Min would drop the NaN.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
LIFT_BINARY(max, Max)
LIFT_BINARY(min, Min)
#else
template <class T>
HWY_INLINE Vec<T> max(const Vec<T>& a, const Vec<T>& b) {
  Vec<T> r;
  EACH_PART r.part[i] = hn::IfThenElse(hn::Gt(a.part[i], b.part[i]), a.part[i], b.part[i]);
  return r;
}
template <class T>
HWY_INLINE Vec<T> min(const Vec<T>& a, const Vec<T>& b) {
  Vec<T> r;
  EACH_PART r.part[i] = hn::IfThenElse(hn::Lt(a.part[i], b.part[i]), a.part[i], b.part[i]);
  return r;
}
#endif
#undef LIFT_BINARY

template <class T>
HWY_INLINE Vec<T>& operator+=(Vec<T>& a, const Vec<T>& b) { return a = a + b; }
template <class T>
HWY_INLINE Vec<T>& operator*=(Vec<T>& a, const Vec<T>& b) { return a = a * b; }
template <class T>
HWY_INLINE Vec<T> operator-(const Vec<T>& a) {
  Vec<T> r;
  EACH_PART r.part[i] = hn::Neg(a.part[i]);
  return r;
}
template <class T>
HWY_INLINE Vec<T> abs(const Vec<T>& a) {
  Vec<T> r;
  EACH_PART r.part[i] = hn::Abs(a.part[i]);
  return r;
}
template <class T>
HWY_INLINE Vec<T> sqrt(const Vec<T>& a) {
  Vec<T> r;
  EACH_PART r.part[i] = hn::Sqrt(a.part[i]);
  return r;
}
// a * b + c, rounded once
template <class T>
HWY_INLINE Vec<T> fma(const Vec<T>& a, const Vec<T>& b, const Vec<T>& c) {
  Vec<T> r;
  EACH_PART r.part[i] = hn::MulAdd(a.part[i], b.part[i], c.part[i]);
  return r;
}
// a * b - c, rounded once
template <class T>
HWY_INLINE Vec<T> fms(const Vec<T>& a, const Vec<T>& b, const Vec<T>& c) {
  Vec<T> r;
  EACH_PART r.part[i] = hn::MulSub(a.part[i], b.part[i], c.part[i]);
  return r;
}
// c - a * b, rounded once
template <class T>
HWY_INLINE Vec<T> fnma(const Vec<T>& a, const Vec<T>& b, const Vec<T>& c) {
  Vec<T> r;
  EACH_PART r.part[i] = hn::NegMulAdd(a.part[i], b.part[i], c.part[i]);
  return r;
}
// x > bound ? yes : no; NaN counts as no
template <class T>
HWY_INLINE Vec<T> if_greater(const Vec<T>& x, const Vec<T>& bound, const Vec<T>& yes, const Vec<T>& no) {
  Vec<T> r;
  EACH_PART r.part[i] = hn::IfThenElse(hn::Gt(x.part[i], bound.part[i]), yes.part[i], no.part[i]);
  return r;
}
// All lanes are below the bound; NaN is not.
template <class T>
HWY_INLINE bool all_below(const Vec<T>& x, T bound) {
  bool all = true;
  EACH_PART all = all && hn::AllTrue(Tag<T>(), hn::Lt(x.part[i], hn::Set(Tag<T>(), bound)));
  return all;
}
// x is NaN ? yes : no
template <class T>
HWY_INLINE Vec<T> if_nan(const Vec<T>& x, const Vec<T>& yes, const Vec<T>& no) {
  Vec<T> r;
  EACH_PART r.part[i] = hn::IfThenElse(hn::IsNaN(x.part[i]), yes.part[i], no.part[i]);
  return r;
}
// |magnitude| with the sign of `sign`
template <class T>
HWY_INLINE Vec<T> copy_sign(const Vec<T>& magnitude, const Vec<T>& sign) {
  Vec<T> r;
  EACH_PART r.part[i] = hn::CopySign(magnitude.part[i], sign.part[i]);
  return r;
}

// Sum over lanes in the fixed order of a halving tree: lane i with lane i + half.
#if HWY_TARGET == HWY_SCALAR
template <class T>
HWY_INLINE T sum(Vec<T> x) {
  for (int half = kLanes<T> / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) x.part[i] = hn::Add(x.part[i], x.part[i + half]);
  return hn::GetLane(x.part[0]);
}
#else
HWY_INLINE float sum_four(hn::Vec<hn::Full128<float>> x) {
  const hn::Full128<float> d;
  x = hn::Add(x, hn::Shuffle1032(x));
  return hn::GetLane(hn::Add(x, hn::Reverse2(d, x)));
}
HWY_INLINE double sum_two(hn::Vec<hn::Full128<double>> x) { return hn::GetLane(hn::Add(x, hn::Shuffle01(x))); }
template <class D, class V>
HWY_INLINE auto fold(D d, V x) {
  const hn::Half<D> half;
  return hn::Add(hn::LowerHalf(half, x), hn::UpperHalf(half, x));
}
HWY_INLINE float sum(const Vec<float>& x) {
#if HWY_TARGET == HWY_AVX3
  const hn::Full512<float> d;
  const auto eight = fold(d, x.part[0]);
#else
  const auto eight = hn::Add(x.part[0], x.part[1]);
#endif
  return sum_four(fold(hn::Full256<float>(), eight));
}
HWY_INLINE double sum(const Vec<double>& x) {
#if HWY_TARGET == HWY_AVX3
  const hn::Full512<double> d;
  const auto four = fold(d, x.part[0]);
#else
  const auto four = hn::Add(x.part[0], x.part[1]);
#endif
  return sum_two(fold(hn::Full256<double>(), four));
}
#endif
// out[i] = sum(load(rows + i * kLanes)) for i < kLanes: as many sums as there are lanes, with the bits of sum().
#if HWY_TARGET == HWY_AVX3
// Halves of two vectors added crosswise: as many partial sums, half as many vectors.
HWY_INLINE __m512 fold_halves(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
}
HWY_INLINE __m512 fold_quarters(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
}
HWY_INLINE __m512 fold_pairs(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xEE));
}
HWY_INLINE __m512 fold_singles(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xDD));
}
HWY_INLINE void sum_each(const float* rows, float* out) {
  __m512 eight[8], four[4], two[2];
  // Row i's sum must end in lane i: lanes are filled block by block, and within a block from pairs of pairs.
  constexpr int order[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  for (int i = 0; i < 8; ++i)
    eight[i] = fold_halves(_mm512_loadu_ps(rows + order[2 * i] * 16), _mm512_loadu_ps(rows + order[2 * i + 1] * 16));
  for (int i = 0; i < 4; ++i) four[i] = fold_quarters(eight[2 * i], eight[2 * i + 1]);
  for (int i = 0; i < 2; ++i) two[i] = fold_pairs(four[2 * i], four[2 * i + 1]);
  _mm512_storeu_ps(out, fold_singles(two[0], two[1]));
}
#else
HWY_INLINE void sum_each(const float* rows, float* out) {
  for (int i = 0; i < kLanes<float>; ++i) out[i] = sum(load(rows + i * kLanes<float>));
}
#endif
HWY_INLINE void sum_each(const double* rows, double* out) {
  for (int i = 0; i < kLanes<double>; ++i) out[i] = sum(load(rows + i * kLanes<double>));
}

template <class T>
HWY_INLINE T maximum(const Vec<T>& x) {
  alignas(64) T lane[kLanes<T>];
  store(lane, x);
  for (int half = kLanes<T> / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i)
      if (!(lane[i] > lane[i + half])) lane[i] = lane[i + half];
  return lane[0];
}

// f on each lane, for functions that are rare enough to stay scalar (erf).
template <class T, class F>
HWY_INLINE Vec<T> map_lanes(const Vec<T>& x, F f) {
  alignas(64) T lane[kLanes<T>];
  store(lane, x);
  for (int i = 0; i < kLanes<T>; ++i) lane[i] = f(lane[i]);
  return load(lane);
}

// 2^n for integral n in [-127, 128] (float) or [-1023, 1024] (double): 0 at the lower end, infinity at the upper.
// `shifted` is n + kRound, whose low bits are n.
template <class T>
struct Exponent;
template <>
struct Exponent<float> {
  static constexpr float kRound = 0x1.8p23f, kLowest = -127, kHighest = 128;
  using Bits = int32_t;
  static constexpr int kBias = 127, kShift = 23;
};
template <>
struct Exponent<double> {
  static constexpr double kRound = 0x1.8p52, kLowest = -1023, kHighest = 1024;
  using Bits = int64_t;
  static constexpr int kBias = 1023, kShift = 52;
};
template <class T>
HWY_INLINE Vec<T> power_of_two(const Vec<T>& shifted) {
  using E = Exponent<T>;
  const hn::RebindToSigned<Tag<T>> di;
  Vec<T> r;
  EACH_PART {
    const auto n = hn::Add(hn::BitCast(di, shifted.part[i]), hn::Set(di, typename E::Bits(E::kBias)));
    r.part[i] = hn::BitCast(Tag<T>(), hn::ShiftLeft<E::kShift>(n));
  }
  return r;
}

// x 2^n where neither is near the ends of the range; `shifted` as above.
HWY_INLINE Vec<float> add_to_exponent(const Vec<float>& x, const Vec<float>& shifted) {
  using T = float;
  const hn::RebindToSigned<Tag<float>> di;
  Vec<float> r;
  EACH_PART {
    const auto n = hn::ShiftLeft<Exponent<float>::kShift>(hn::BitCast(di, shifted.part[i]));
    r.part[i] = hn::BitCast(Tag<float>(), hn::Add(hn::BitCast(di, x.part[i]), n));
  }
  return r;
}

template <class T, size_t N>
HWY_INLINE Vec<T> polynomial(const Vec<T>& x, const T (&c)[N]) {
  Vec<T> p = set(c[N - 1]);
  for (size_t i = N - 1; i-- > 0;) p = fma(p, x, set(c[i]));
  return p;
}

// (e^r - 1 - r) / r^2 for |r| <= ln(2)/2. Float: interpolated at Chebyshev nodes, 1.0e-8 relative in e^r; double: Taylor.
HWY_INLINE Vec<float> exp_tail(const Vec<float>& r) {
  constexpr float c[] = {5.000000000e-01f, 1.666657699e-01f, 4.166655462e-02f, 8.363179053e-03f, 1.392618359e-03f};
  return polynomial(r, c);
}
HWY_INLINE Vec<double> exp_tail(const Vec<double>& r) {
  constexpr double c[] = {1.0 / 2,          1.0 / 6,           1.0 / 24,          1.0 / 120,
                          1.0 / 720,        1.0 / 5040,        1.0 / 40320,       1.0 / 362880,
                          1.0 / 3628800,    1.0 / 39916800,    1.0 / 479001600,   1.0 / 6227020800};
  return polynomial(r, c);
}

template <class T>
struct Reduced {
  Vec<T> r, scale, tail;  // e^x = scale * (1 + tail), r the remainder
};
// x = n ln 2 + r, ln 2 in two parts so that n * high is exact
template <class T>
HWY_INLINE Reduced<T> exp_reduce(const Vec<T>& x) {
  using E = Exponent<T>;
  constexpr T kHigh = sizeof(T) == 4 ? T(0.693359375) : T(0x1.62e42fefa38p-1);
  constexpr T kLow = sizeof(T) == 4 ? T(-2.12194440054690583e-4) : T(0x1.ef35793c7673p-45);
  const auto scaled = min(set(E::kHighest), max(set(E::kLowest), x * set(T(1.442695040888963407))));
  const auto shifted = scaled + set(E::kRound);
  const auto n = shifted - set(E::kRound);
  // beyond the range r would be large: keep the polynomial finite, the scale is 0 or infinity there
  auto r = fnma(n, set(kLow), fnma(n, set(kHigh), x));
  r = min(set(T(1)), max(set(T(-1)), r));
  return {r, power_of_two(shifted), fma(r * r, exp_tail(r), r)};
}

// e^x, within 1.5 ulp; 0 below 2^-126 (2^-1022), infinity from 2^127.5 (2^1023.5), NaN stays.
// The sum comes first: the scale is exact, and infinity times it stays infinity where infinity plus a negative would not.
template <class T>
HWY_INLINE Vec<T> exp(const Vec<T>& x) {
  const auto e = exp_reduce(x);
  return e.scale * (set(T(1)) + e.tail);
}

// 2^x for float; for double by e^(x ln 2)
HWY_INLINE Vec<float> exp2(const Vec<float>& x) {
  using T = float;
  using E = Exponent<float>;
  constexpr float c[] = {6.931471880e-01f, 2.402265076e-01f, 5.550357071e-02f,
                         9.618082520e-03f, 1.339088633e-03f, 1.545318282e-04f};
  const auto clamped = min(set(E::kHighest), max(set(E::kLowest), x));
  const auto shifted = clamped + set(E::kRound);
  const auto f = clamped - (shifted - set(E::kRound));
  const auto scale = power_of_two<T>(shifted);
  return scale * fma(f, polynomial(f, c), set(1.0f));
}
HWY_INLINE Vec<double> exp2(const Vec<double>& x) { return exp(x * set(0.69314718055994530942)); }

// 2^f for |f| <= 1/2, within 1e-7, exact at f = 0
HWY_INLINE Vec<float> exp2_fraction(const Vec<float>& f) {
  constexpr float c[] = {1.0f,            6.931469775e-01f, 2.402224212e-01f,
                         5.550733963e-02f, 9.671511324e-03f, 1.326465239e-03f};
  return polynomial(f, c);
}

// 2^(a b), a b = n + f: kNear: only where |a b| < 125. Float: within 2e-7; 0 below 2^-126, infinity from 2^127 on.
template <bool kNear>
HWY_INLINE Vec<float> exp2_product(const Vec<float>& a, const Vec<float>& b) {
  using E = Exponent<float>;
  const auto shifted = fma(a, b, set(E::kRound)), n = shifted - set(E::kRound);
  const auto mantissa = exp2_fraction(fms(a, b, n));
  const auto near = add_to_exponent(mantissa, shifted);
  if constexpr (kNear) return near;
  const auto small = if_greater(set(-125.0f), n, zero<float>(), near);
  const auto all = if_greater(n, set(126.0f), set(std::numeric_limits<float>::infinity()), small);
  return if_nan(n, n, all);
}
template <bool kNear>
HWY_INLINE Vec<double> exp2_product(const Vec<double>& a, const Vec<double>& b) { return exp2(a * b); }

// e^-a for a >= 0: as exp, with what that range does not need left out. 0 beyond 88 (708). Its reduction needs products
// that are not rounded before their sum.
#if HWY_NATIVE_FMA
HWY_INLINE Vec<float> exp_of_minus(const Vec<float>& a) {
  using E = Exponent<float>;
  constexpr float kHigh = 1.44269502e+00f, kLow = 1.92596299e-08f;  // log2(e) in two parts
  const auto x = min(set(88.2f), a);
  const auto shifted = fma(x, set(-kHigh), set(E::kRound)), n = shifted - set(E::kRound);
  const auto f = fma(x, set(-kLow), fms(x, set(-kHigh), n));
  return power_of_two<float>(shifted) * exp2_fraction(f);
}
#else
HWY_INLINE Vec<float> exp_of_minus(const Vec<float>& a) { return exp(-a); }
#endif
HWY_INLINE Vec<double> exp_of_minus(const Vec<double>& a) { return exp(-a); }

// 1 / d for 1 <= d <= 2. Float: a cubic within 1.8e-3 and one step of third order, r (1 + e + e^2) with e = 1 - d r: much
// faster than a division, and within 1 ulp.
HWY_INLINE Vec<float> reciprocal_of_one_to_two(const Vec<float>& d) {
  constexpr float c[] = {2.828422877e+00f, -2.939341421e+00f, 1.331022530e+00f, -2.218370884e-01f};
  const auto r = polynomial(d, c), e = fnma(d, r, set(1.0f));
  return fma(r, fma(e, e, e), r);
}
HWY_INLINE Vec<double> reciprocal_of_one_to_two(const Vec<double>& d) { return set(1.0) / d; }

// log(1 + x) for 0 <= x <= 1. Float: x q(x), interpolated, 3.4e-8 relative; double: 2 atanh(x / (2 + x))
HWY_INLINE Vec<float> log1p_unit(const Vec<float>& x) {
  constexpr float c[] = {1.0f,             -4.999964796e-01f, 3.332132162e-01f,
                         -2.485715175e-01f, 1.915359979e-01f,  -1.375367450e-01f,
                         7.920295045e-02f,  -3.006478696e-02f, 5.364567879e-03f};
  return x * polynomial(x, c);
}
HWY_INLINE Vec<double> log1p_unit(const Vec<double>& x) {
  constexpr double c[] = {1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17,
                          1.0 / 19, 1.0 / 21, 1.0 / 23, 1.0 / 25, 1.0 / 27, 1.0 / 29, 1.0 / 31, 1.0 / 33};
  const auto s = x / (x + set(2.0)), s2 = s * s;
  const auto twice = s + s;
  return fma(twice * s2, polynomial(s2, c), twice);
}

// s(x) = 1 / (1 + e^-x) and 1 - s(x), each to full relative accuracy: nothing overflows, nothing cancels.
template <class T>
struct Logistic {
  Vec<T> s, rest;
  HWY_INLINE explicit Logistic(const Vec<T>& x) {
    const auto e = exp_of_minus(abs(x)), larger = reciprocal_of_one_to_two(set(T(1)) + e), smaller = e * larger;
    s = if_greater(x, zero<T>(), larger, smaller);
    rest = if_greater(x, zero<T>(), smaller, larger);
  }
};

template <class T>
HWY_INLINE Vec<T> sigmoid(const Vec<T>& x) { return Logistic<T>(x).s; }
template <class T>
HWY_INLINE Vec<T> softplus(const Vec<T>& x) { return max(zero<T>(), x) + log1p_unit(exp_of_minus(abs(x))); }
// Softplus and its slope s(x), from one exponential.
template <class T>
struct SoftplusSlope {
  Vec<T> value, slope;
  HWY_INLINE explicit SoftplusSlope(const Vec<T>& x) {
    const auto e = exp_of_minus(abs(x)), larger = reciprocal_of_one_to_two(set(T(1)) + e);
    value = max(zero<T>(), x) + log1p_unit(e);
    slope = if_greater(x, zero<T>(), larger, e * larger);
  }
};
// tanh|x| = (1 - e^-2|x|) / (1 + e^-2|x|); the difference is taken before rounding where |x| is small
template <class T>
HWY_INLINE Vec<T> tanh(const Vec<T>& x) {
  const auto a = min(set(T(44)), abs(x) + abs(x));  // beyond 44 the quotient is 1
  const auto e = exp_reduce(-a);
  const auto numerator = fnma(e.scale, e.tail, set(T(1)) - e.scale), denominator = fma(e.scale, e.tail, set(T(1)) + e.scale);
  return copy_sign(numerator * reciprocal_of_one_to_two(denominator), x);
}

#undef EACH_PART
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
